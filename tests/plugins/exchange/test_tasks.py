"""Tasks out: each format's files, and that the peers' code comes to the scores, medals and HumanRank of ours."""

import asyncio
import json
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.grading_worker import Materials, grade
from sandmle.core.errors import TaskError, UsageError

STAND_INS = Path(__file__).parent / "stand_ins"
FORMATS = ("mlebench", "mledojo", "harbor", "sandmle-release")
PACKAGES = {"mlebench": "appdirs diskcache tenacity tqdm yaml py7zr", "mledojo": "gymnasium psutil rich py7zr"}

GRADE = {
    "mlebench": """
from sandmle_mlebench import registry
from mlebench.grade import grade_csv
def grade(name, path):
    return grade_csv(path, registry.get_competition(name)).to_dict()
""",
    "mledojo": """
from sandmle_mledojo import competition_registry
from mledojo.gym.interface import CodeExecutionInterface
competitions = competition_registry()
def grade(name, path):
    return CodeExecutionInterface()._process_submission(competitions.get(name), path, path.parent, "position")
""",
}
ALL = """
found = {}
with contextlib.redirect_stdout(sys.stderr):
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*.csv")):
        found.setdefault(path.parent.name, {})[path.name] = grade(path.parent.name, path)
print(json.dumps(found, default=float))
"""


@pytest.fixture
def export_tasks(program):
    def run(*words, code=0):
        done = program("export", "tasks", *words, "--json")
        if done.exit_code != code:
            raise done.exception or AssertionError(done.output)
        return json.loads(done.stdout)

    return run


def spoilt(good):
    """Files that are judged on their rows and columns: name to content."""
    text = good.decode().splitlines()
    header, rows = text[0], text[1:]
    first, rest = rows[0].split(",", 1)
    return {
        "missing.csv": [header, *rows[:-1]],
        "twice.csv": [header, *rows, rows[0]],
        "unknown.csv": [header, *rows[:-1], "999," + rows[-1].split(",", 1)[1]],
        "hole.csv": [header, first + "," * rest.count(",") + ",", *rows[1:]],
        "words.csv": [header, first + ",plum" * (rest.count(",") + 1), *rows[1:]],
        "renamed.csv": ["row," + header.split(",", 1)[1], *rows],
        "no-rows.csv": [header],
        "float-ids.csv": [header, *(row.replace(",", ".0,", 1) for row in rows)],
        "more-columns.csv": [header + ",note", *(row + ",x" for row in rows)],
        "infinite.csv": [header, first + ",inf" * (rest.count(",") + 1), *rows[1:]],
    }


@pytest.fixture(scope="module")
def handed_in(make, tmp_path_factory):
    """Task folders, a folder of submissions for each, and what SandMLE makes of every one of them."""
    root = tmp_path_factory.mktemp("handed-in")
    tasks, folder = make.write_all(root / "tasks"), root / "submissions"
    for number, (kind, task) in enumerate(zip(make.kinds, sorted(tasks.iterdir()), strict=True)):
        here = folder / task.name
        here.mkdir(parents=True)
        for share in range(6):
            (here / f"noise-{share}.csv").write_bytes(make.submission(kind, share / 6, share))
        if number in (0, 5, 8, 9, 12, 13):
            for name, content in spoilt(make.submission(kind, 0.2)).items():
                (here / name).write_text("\n".join(content) + "\n")

    async def grade_all():
        grader = LocalGrader()
        try:
            return {
                task.name: {path.name: await grader.grade(task, path.read_bytes()) for path in sorted(here.iterdir())}
                for task in sorted(tasks.iterdir())
                for here in [folder / task.name]
            }
        finally:
            await grader.close()

    return tasks, folder, asyncio.run(grade_all())


def checkout(peer):
    """The peer's own checkout, or a skip that says what is missing."""
    variable = f"{peer.upper()}_CHECKOUT"
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} is not set: it names a checkout of the peer, whose own code this test runs")
    if not (Path(root) / peer).is_dir():
        pytest.fail(f"{variable}={root} holds no package {peer!r}")
    check = "import importlib.util, sys; print(*[n for n in sys.argv[1:] if not importlib.util.find_spec(n)])"
    python = os.environ.get("PEERS_PYTHON", sys.executable)
    words = [python, "-c", check, *PACKAGES[peer].split()]
    missing = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    if missing:
        pytest.skip(f"{python} cannot import {', '.join(missing)}, which {peer} needs; see docs/exchange.md")
    return root


def verdicts(peer, root, out, folder, cwd):
    program = "import contextlib, json, pathlib, sys\n" + GRADE[peer] + ALL
    path = os.pathsep.join([str(root), str(out), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [os.environ.get("PEERS_PYTHON", sys.executable), "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def compare(peer, export_tasks, handed_in, root, tmp_path):
    tasks, folder, ours = handed_in
    out = tmp_path / "out"
    summary = export_tasks(tasks, "--format", peer, "-o", out)
    assert (len(summary["tasks"]), summary["left_out"]) == (len(ours), {})
    theirs = verdicts(peer, root, out, folder, tmp_path)
    medals = set()
    for task, grades in ours.items():
        for name, mine in grades.items():
            yours, where = theirs[task][name], f"{task}/{name}: {mine}, {theirs[task][name]}"
            if peer == "mlebench":
                assert yours["valid_submission"] is mine.valid, where
                assert yours["score"] == mine.score, where
                assert yours["above_median"] is mine.above_median, where
                got = [medal for medal in ("gold", "silver", "bronze") if yours[f"{medal}_medal"]]
                assert (got or ["none"]) == [mine.medal.value], where
                medals.add(mine.medal.value)
            else:
                assert (yours["status"] == "SUCCESS") is mine.valid, where
                if mine.valid:
                    assert yours["raw_score"] == mine.score, where
                    assert yours["position_score"]["avg_score"] == mine.human_rank, where
    assert peer == "mledojo" or medals == {"gold", "silver", "bronze", "none"}
    valid = [grade.valid for grades in ours.values() for grade in grades.values()]
    assert valid.count(False) > 20


@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_the_formats_rules_give_our_verdicts(peer, export_tasks, handed_in, tmp_path):
    compare(peer, export_tasks, handed_in, STAND_INS / peer, tmp_path)


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_the_peers_own_code_gives_our_verdicts(peer, export_tasks, handed_in, tmp_path):
    compare(peer, export_tasks, handed_in, checkout(peer), tmp_path)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_thirty_synthetic_tasks_are_graded_alike(peer, sandmle, make, export_tasks, tmp_path):
    root = checkout(peer)
    tasks, folder = tmp_path / "tasks", tmp_path / "handed-in"
    sandmle("synth", "-n", 30, "--rng-seed", 11, "--workers", 2, "-o", tasks)
    found = sorted(path.parent for path in tasks.glob("*/task.toml"))
    for task in found:
        (folder / task.name).mkdir(parents=True)
        for name, file in (("sample", "public/sample_submission.csv"), ("oracle", "private/oracle.csv")):
            (folder / task.name / f"{name}.csv").write_bytes((task / file).read_bytes())

    async def grade_all():
        grader = LocalGrader()
        try:
            return {
                task.name: {
                    path.name: await grader.grade(task, path.read_bytes()) for path in (folder / task.name).iterdir()
                }
                for task in found
            }
        finally:
            await grader.close()

    ours = asyncio.run(grade_all())
    export_tasks(tasks, "--format", peer, "-o", tmp_path / "out")
    theirs = verdicts(peer, root, tmp_path / "out", folder, tmp_path)
    for task, grades in ours.items():
        for name, mine in grades.items():
            yours = theirs[task][name]
            if peer == "mlebench":
                assert (yours["score"], yours["gold_medal"]) == (mine.score, mine.medal.value == "gold")
            else:
                assert (yours["raw_score"], yours["position_score"]["avg_score"]) == (mine.score, mine.human_rank)


def test_verifier_and_evaluator_agree_with_the_grader(make, write_tasks, export_tasks, tmp_path, monkeypatch, capsys):
    kind = make.Kind("f1_macro", ("blue", "green", "red"))
    tasks = write_tasks(kind)
    (task,) = tasks.iterdir()
    export_tasks(tasks, "--format", "harbor", "-o", tmp_path / "harbor")
    export_tasks(tasks, "--format", "sandmle-release", "-o", tmp_path / "release")
    file, rewards = tmp_path / "submission.csv", tmp_path / "reward.json"
    file.write_bytes(make.submission(kind, 0.3))
    ours = grade(Materials().of(task), file.read_bytes())
    verify = runpy.run_path(str(tmp_path / "harbor" / task.name / "tests" / "grade.py"))["main"]
    verify(str(file), str(rewards))
    theirs = json.loads(rewards.read_text())
    assert (theirs["reward"], theirs["score"], theirs["valid"]) == (ours["human_rank"], ours["score"], 1)
    assert [theirs[f"{name}_medal"] for name in ("gold", "silver", "bronze")] == [
        int(ours["medal"] == name) for name in ("gold", "silver", "bronze")
    ]
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "harbor" / task.name / "solution" / "submission.csv")
    for refused in (link, tmp_path / "nowhere.csv"):
        verify(str(refused), str(rewards))
        assert json.loads(rewards.read_text())["reward"] == 0.0
    verify(str(link.resolve()), str(rewards))
    assert json.loads(rewards.read_text())["gold_medal"] == 1
    capsys.readouterr()
    evaluator = tmp_path / "release" / task.name / "prepared" / "public" / "evaluator.py"
    monkeypatch.setattr(sys, "argv", ["evaluator.py", "--submission_path", str(file)])
    runpy.run_path(str(evaluator), run_name="__main__")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["score"], printed["is_lower_better"]) == (ours["score"], False)
    file.write_text("row_id,target\n")
    with pytest.raises(SystemExit, match="1"):
        runpy.run_path(str(evaluator), run_name="__main__")


def test_harbor_keeps_the_answers_out_of_the_agents_image(make, write_tasks, export_tasks, tmp_path):
    tasks = write_tasks(make.kinds[5], make.kinds[0])
    export_tasks(tasks, "--format", "harbor", "-o", tmp_path / "out")
    for task in tasks.iterdir():
        folder, answers = tmp_path / "out" / task.name, (task / "private" / "answers.csv").read_bytes()
        config = tomllib.loads((folder / "task.toml").read_text())
        assert config["verifier"]["environment_mode"] == "separate"
        assert config["artifacts"] == ["/app/submission.csv"]
        seen = [path for path in (folder / "environment").rglob("*") if path.is_file()]
        assert {path.name for path in seen} == {"Dockerfile", "train.csv", "test.csv", "sample_submission.csv"}
        assert answers not in [path.read_bytes() for path in seen]
        assert (folder / "tests" / "answers.csv").read_bytes() == answers
        assert "COPY . /tests/" in (folder / "tests" / "Dockerfile").read_text()
        assert os.access(folder / "tests" / "test.sh", os.X_OK)


def test_harbor_loads_the_task_directories(make, write_tasks, export_tasks, tmp_path):
    make.needs("harbor", "dirhash")
    from harbor.models.task.task import Task

    export_tasks(write_tasks(*make.kinds[:3]), "--format", "harbor", "-o", tmp_path / "out")
    loaded = [Task(folder) for folder in sorted((tmp_path / "out").iterdir()) if folder.is_dir()]
    assert [task.config.verifier.environment_mode.value for task in loaded] == ["separate"] * 3
    assert "/app/submission.csv" in loaded[0].instruction


def test_the_released_layout_warns_of_its_leak(make, write_tasks, program, tmp_path):
    tasks = write_tasks(make.kinds[0])
    done = program("export", "tasks", tasks, "--format", "sandmle-release", "-o", tmp_path / "out", "--json")
    assert "no evidence" in done.stderr
    assert "no evidence" in json.loads(done.stdout)["warnings"][0]
    assert "leaks" in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "ok_competitions_sanity.json").read_text()) == ["task-00-rmse"]
    public = tmp_path / "out" / "task-00-rmse" / "prepared" / "public"
    assert {"answer.csv", "evaluator.py", "description.md"} <= {path.name for path in public.iterdir()}


@pytest.mark.parametrize("form", ["mlebench", "mledojo"])
def test_what_agents_are_shown_holds_no_answers(form, make, write_tasks, export_tasks, tmp_path):
    tasks = write_tasks(make.kinds[5])
    export_tasks(tasks, "--format", form, "-o", tmp_path / "out")
    answers = next(tasks.glob("*/private/answers.csv")).read_bytes()
    public = [path for path in (tmp_path / "out").rglob("public/**/*") if path.is_file()]
    assert {"train.csv", "test.csv", "sample_submission.csv"} < {path.name for path in public}
    assert all(path.read_bytes() != answers for path in public)


def test_tasks_that_would_be_graded_otherwise_are_left_out_with_the_reason(make, write_tasks, export_tasks, tmp_path):
    good, colours = make.kinds[0], make.kinds[5]
    tasks = write_tasks(good)
    backwards = "rank,score\n" + "".join(f"{place},{9.0 - place / 10:.5f}\n" for place in range(1, 21))
    make.write_task(tasks, good, "backwards", board=backwards)
    make.write_task(
        tasks,
        colours,
        "missing-word",
        classes=("NA", "green", "red"),
        answers=b"row_id,target,board\n1,NA,public\n2,red,private\n",
    )
    make.write_task(tasks, good, "same-ids", answers=b"row_id,target,board\n07,1,public\n7,2,private\n8,1,private\n")
    summary = export_tasks(tasks, "--format", "mlebench", "-o", tmp_path / "out", code=1)
    assert summary["tasks"] == ["task-00-rmse"]
    assert "wrong direction" in summary["left_out"]["backwards"]
    assert "'NA'" in summary["left_out"]["missing-word"]
    assert "same number" in summary["left_out"]["same-ids"]
    assert export_tasks(tasks, "--format", "mledojo", "-o", tmp_path / "dojo", code=1)["tasks"] == [
        "backwards",
        "task-00-rmse",
    ]


def test_nothing_is_written_when_nothing_can_be(make, write_tasks, export_tasks, tmp_path):
    tasks = write_tasks(make.kinds[0])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        export_tasks(tasks, "--format", "mlebench", "-o", tmp_path / "mine")
    with pytest.raises(UsageError, match="no folder that an export made"):
        export_tasks(tasks, "--format", "mlebench", "-o", tmp_path / "mine", "--force")
    with pytest.raises(TaskError, match="no such folder"):
        export_tasks(tmp_path / "nowhere", "--format", "harbor", "-o", tmp_path / "out")
    next(tasks.glob("*/private/answers.csv")).write_text("row_id\n1\n")
    with pytest.raises(TaskError, match=r"no task of .* can be exported"):
        export_tasks(tasks, "--format", "harbor", "-o", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "tasks"]


def test_an_export_can_be_made_again_with_consent(make, write_tasks, export_tasks, tmp_path):
    tasks = write_tasks(make.kinds[0])
    for form in FORMATS:
        export_tasks(tasks, "--format", form, "-o", tmp_path / form)
        before = {path: path.read_bytes() for path in (tmp_path / form).rglob("*") if path.is_file()}
        export_tasks(tasks, "--format", form, "-o", tmp_path / form, "--force")
        assert {path: path.read_bytes() for path in (tmp_path / form).rglob("*") if path.is_file()} == before
