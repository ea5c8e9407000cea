"""`sandmle report` as it is typed."""

import json

import typer
from typer.testing import CliRunner

from sandmle.core.errors import SandmleError, UsageError
from sandmle.core.types.episode import Outcome
from sandmle.plugins.reports.plugin import sandmle_register_commands


def invoke(*words):
    app = typer.Typer()
    app.callback()(lambda: None)
    sandmle_register_commands(app)
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_it_writes_the_page_and_says_what_is_in_it(records, tmp_path):
    corpus = records.corpus(tmp_path / "tasks", [records.draft()])
    run = records.run(tmp_path / "run", [records.episode()], task_hashes=records.hashes(corpus), group_size=1)
    out = tmp_path / "deep" / "er" / "report.html"
    done = invoke("--tasks", corpus, "--run", run, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["bytes"] == out.stat().st_size
    assert document["tasks"] == document["episodes"] == document["expected_episodes"] == 1
    assert document["agents"][0]["human_rank"] == 0.75
    assert out.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_without_json_it_speaks_to_a_person(records, tmp_path):
    out = tmp_path / "r.html"
    done = invoke("--run", records.run(tmp_path / "run", [records.episode()]), "-o", out)
    assert f"{out}: " in done.output
    assert "note: No corpus was given" in done.output


def test_a_directory_as_target_is_refused(records, tmp_path):
    done = invoke("--run", records.run(tmp_path / "run", [records.episode()]), "-o", tmp_path)
    assert isinstance(done.exception, UsageError)
    assert "is a directory" in str(done.exception)


def test_not_a_number_is_null_in_json(records, tmp_path):
    lost = records.episode(outcome=Outcome.INFRASTRUCTURE, grade=None)
    done = invoke("--run", records.run(tmp_path / "run", [lost]), "-o", tmp_path / "r.html", "--json")
    assert json.loads(done.stdout)["agents"][0]["human_rank"] is None


def test_trainings_and_their_measured_policies_are_in_the_document(records, tmp_path):
    trained = tmp_path / "sft"
    trained.mkdir()
    (trained / "config.toml").write_text('method = "sft"\n[sft]\nepochs = 2\n[tasks]\nseen = "0"\n')
    (trained / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0, "seconds": 1.25}\n')
    corpus = records.corpus(tmp_path / "tasks", [records.draft()])
    episodes = [
        records.episode(model=f"local/{trained}", medal=None),
        records.episode(slot=1, model=f"local/{trained}"),
    ]
    run = records.run(tmp_path / "run", episodes)
    out = tmp_path / "r.html"
    done = invoke("--tasks", corpus, "--training", trained, "--held-out", run, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["training"]
    assert found["trainings"][0] == {
        "title": "SFT",
        "method": "sft",
        "directory": str(trained),
        "tasks": 1,
        "epochs": 1,
        "complete": False,
        "episodes": 0,
        "seconds": 1.2,
    }
    [policy] = found["held_out"]
    assert (policy["who"], policy["families"], policy["tasks"], policy["episodes"]) == ("SFT policy", 1, 1, 2)
    assert policy["any_medal"]["mean"] == 0.5
    assert found["differences"] == []


def test_a_training_that_is_none_is_refused_by_name(records, tmp_path):
    run = records.run(tmp_path / "run", [records.episode()])
    done = invoke("--training", run, "-o", tmp_path / "r.html")
    assert isinstance(done.exception, SandmleError)
    assert "a run directory of episodes (name it with --run)" in str(done.exception)
