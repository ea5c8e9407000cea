"""Tasks out: each format's files, what is left out and why, and verifiers that need no other project."""

import json
import os
import runpy
import sys
import tomllib

import pytest

from sandmle.core.engine.grading_worker import Materials, grade
from sandmle.core.errors import TaskError, UsageError

FORMATS = ("mlebench", "mledojo", "harbor", "sandmle-release")


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
    tasks = write_tasks(make.colours, make.kinds[0])
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
    tasks = write_tasks(make.colours)
    export_tasks(tasks, "--format", form, "-o", tmp_path / "out")
    answers = next(tasks.glob("*/private/answers.csv")).read_bytes()
    public = [path for path in (tmp_path / "out").rglob("public/**/*") if path.is_file()]
    assert {"train.csv", "test.csv", "sample_submission.csv"} < {path.name for path in public}
    assert all(path.read_bytes() != answers for path in public)


def test_tasks_that_would_be_graded_otherwise_are_left_out_with_the_reason(make, write_tasks, export_tasks, tmp_path):
    good, colours = make.kinds[0], make.colours
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
