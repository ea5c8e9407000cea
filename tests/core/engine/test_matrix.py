"""Which cells a matrix has, what is refused before any is played, and what a table says of their records."""

import json
import math

import pytest
import tomli_w

from sandmle.core.engine.matrix import cell_dir, parse_models, parse_scaffolds, read_record
from sandmle.core.engine.matrix_table import read_matrix
from sandmle.core.engine.matrix_text import matrix_text
from sandmle.core.engine.store import open_store
from sandmle.core.errors import ConfigError, RunError
from sandmle.core.types.episode import Outcome

LESSONS = [{"method": "sft", "scaffolds": ["react", "codeact"]}, {"method": "grpo", "scaffolds": ["react"]}]
FAMILIES = {"a": "rings", "b": "rings", "c": "dates"}


@pytest.fixture
def matrix_of(tmp_path, make_episode):
    """A directory of two models under two scaffolds; `ranks` are HumanRanks by model, scaffold and task."""

    def make(ranks, root=tmp_path / "matrix", *, backwards=False, **lost):
        root.mkdir()
        models = [
            {"name": "base", "model": "offline/agent-weak", "lessons": []},
            {"name": "grpo", "model": "local/grpo", "lessons": LESSONS},
        ]
        record = {"models": models, "scaffolds": ["react", "codeact"], "group_size": 2, "families": FAMILIES}
        (root / "matrix.toml").write_text(tomli_w.dumps(record))
        for (name, scaffold), by_task in ranks.items():
            episodes = [
                make_episode(task_id=task, slot=slot, scaffold=scaffold, human_rank=rank, **lost)
                for task, pair in by_task.items()
                for slot, rank in enumerate(pair)
            ]
            with open_store(cell_dir(root, name, scaffold), {"run": {}}) as store:
                for episode in reversed(episodes) if backwards else episodes:
                    store.add_episode(episode)
        return root

    return make


WEAK = {"a": (0.1, 0.3), "b": (0.2, 0.2), "c": (0.0, 0.4)}
STRONG = {"a": (0.2, 0.6), "b": (0.4, 0.4), "c": (0.0, 0.8)}
WHOLE = {
    ("base", "react"): WEAK,
    ("grpo", "react"): STRONG,
    ("base", "codeact"): WEAK,
    ("grpo", "codeact"): WEAK,
}


def test_models_are_named_in_the_order_they_are_given():
    given = parse_models(["base=offline/agent-weak, sft=local/out/sft", "grpo=openai/a=b"])
    assert list(given.items()) == [("base", "offline/agent-weak"), ("sft", "local/out/sft"), ("grpo", "openai/a=b")]
    assert parse_scaffolds(["react, aide", "codeact,"]) == ("react", "aide", "codeact")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["offline/agent"], "write each as NAME=MODEL"),
        (["base="], "write each as NAME=MODEL"),
        (["=offline/agent"], "a name has letters"),
        (["../up=offline/agent"], "a name has letters"),
        ([".hidden=offline/agent"], "a name has letters"),
        (["a=x,a=y"], "the name 'a' twice: x and y"),
        ([" , "], "names no model"),
    ],
)
def test_models_that_cannot_be_told_apart_or_kept_are_refused(words, complaint):
    with pytest.raises(ConfigError, match=complaint):
        parse_models(words)


def test_no_scaffold_and_one_twice_are_refused():
    with pytest.raises(ConfigError, match="names no scaffold"):
        parse_scaffolds([","])
    with pytest.raises(ConfigError, match="'react' twice"):
        parse_scaffolds(["react,aide", "react"])


def test_gains_are_over_the_first_model_under_the_same_scaffold(matrix_of):
    found = read_matrix(matrix_of(WHOLE))
    assert (found.base, found.complete, found.tasks, found.families) == ("base", True, 3, 2)
    trained, other = found.cell("grpo", "react"), found.cell("grpo", "codeact")
    assert found.cell("base", "react").gains == {}
    assert trained.gains["human_rank"].difference.mean == pytest.approx(0.2)
    assert trained.gains["human_rank"].relative.mean == pytest.approx(1.0)
    assert (other.gains["human_rank"].difference.mean, other.gains["human_rank"].verdict) == (0.0, "not told from zero")
    assert (trained.trained_under, other.trained_under) == (("sft", "grpo"), ("sft",))


def test_the_order_in_which_episodes_were_recorded_changes_nothing(matrix_of, tmp_path):
    one = read_matrix(matrix_of(WHOLE)).as_json()
    other = read_matrix(matrix_of(WHOLE, tmp_path / "other", backwards=True)).as_json()
    assert json.dumps(one).replace("/matrix", "") == json.dumps(other).replace("/other", "")


def test_a_matrix_under_way_tells_of_what_there_is(matrix_of):
    found = read_matrix(matrix_of({("base", "react"): WEAK, ("grpo", "react"): {"a": (0.5, 0.7)}}))
    assert not found.complete
    partial, absent = found.cell("grpo", "react"), found.cell("grpo", "codeact")
    assert (partial.episodes, partial.expected) == (2, 6)
    # Only the task that both have played is compared.
    assert partial.gains["human_rank"].difference.mean == pytest.approx(0.4)
    assert (absent.episodes, absent.gains["human_rank"].verdict) == (0, "not measured")
    assert math.isnan(absent.infrastructure_rate)
    text = matrix_text(found)
    assert "grpo under react: 2 of 6 episodes" in text
    assert text.endswith("stopped short; the same command goes on from there")
    cells = json.loads(json.dumps(found.as_json(), allow_nan=False))["cells"]
    assert cells[3]["human_rank"] == {"mean": None, "low": None, "high": None, "tasks": 0}


def test_what_the_infrastructure_failed_is_left_out_and_said(matrix_of):
    found = read_matrix(matrix_of(WHOLE, outcome=Outcome.INFRASTRUCTURE))
    cell = found.cell("grpo", "react")
    assert (cell.infrastructure_rate, cell.measures["human_rank"].tasks) == (1.0, 0)
    assert "grpo under react: 100.0 % of the episodes were lost to the infrastructure" in matrix_text(found)


def test_episodes_of_tasks_that_are_no_longer_in_the_matrix_do_not_count(matrix_of):
    found = read_matrix(matrix_of({("base", "react"): {**WEAK, "gone": (1.0, 1.0)}}))
    assert found.cell("base", "react").episodes == 6


def test_a_directory_without_a_matrix_is_refused(tmp_path):
    with pytest.raises(RunError, match="is no matrix"):
        read_record(tmp_path)
    (tmp_path / "matrix.toml").write_text("models = 3")
    with pytest.raises(RunError, match="is no record of a matrix"):
        read_record(tmp_path)
