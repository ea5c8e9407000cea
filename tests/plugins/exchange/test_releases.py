"""The released bundle in: what is hidden, what is run and where, what is dropped, and what is said of each task."""

import json
import shutil

import pytest

from sandmle.core.engine.grading_worker import Materials, grade
from sandmle.core.engine.tasks import read_spec
from sandmle.core.errors import UsageError

EVALUATOR = """
import argparse, csv, json, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("--submission_path", required=True)
path = parser.parse_args().submission_path
here = pathlib.Path(__file__).parent
truth = {row["id"]: float(row["y"]) for row in csv.DictReader(open(here / "answer.csv"))}
mine = {row["id"]: float(row["y"]) for row in csv.DictReader(open(path))}
if set(mine) != set(truth):
    sys.exit("wrong ids")
score = sum(abs(mine[name] - truth[name]) for name in truth) / len(truth)
print(json.dumps({"score": score, "is_lower_better": 1, "gold_threshold": 0.1, "silver_threshold": 0.2,
                  "bronze_threshold": 0.3, "median_threshold": 0.4}))
"""
ROWS = range(60)
FILES = {
    "description.md": "# Guess y\n",
    "train.csv": "id,x,y\n" + "".join(f"{row},{row},{row % 3}\n" for row in ROWS),
    "test.csv": "id,x\n" + "".join(f"{100 + row},{row}\n" for row in ROWS),
    "answer.csv": "id,y\n" + "".join(f"{100 + row},{row % 3}\n" for row in ROWS),
    "sample_submission.csv": "id,y\n" + "".join(f"{100 + row},0\n" for row in ROWS),
    "evaluator.py": EVALUATOR,
}
TASKS = {
    "Good_Task.1": {},
    "told": {"description.md": "Do not read answer.csv!\n"},
    "copied": {"backup/labels.csv": FILES["answer.csv"]},
    "leaking": {"test.csv": FILES["train.csv"].replace("id,x,y", "id,x,y")},
    "unordered": {"evaluator.py": EVALUATOR.replace("0.2", "0.35")},
    "too-easy": {"evaluator.py": EVALUATOR.replace('"is_lower_better": 1', '"is_lower_better": 0')},
    "above-sample": {"evaluator.py": EVALUATOR.replace('"median_threshold": 0.4', '"median_threshold": 1.4')},
    "raising": {"evaluator.py": "raise RuntimeError('no such luck')"},
    "chatty": {"evaluator.py": "print('score: 1')"},
    "short": {"evaluator.py": "print('{\"score\": 1}')"},
    "hanging": {"evaluator.py": "import time\ntime.sleep(10**6)"},
    "dying": {"evaluator.py": "import os\nos._exit(3)"},
    "fickle": {"evaluator.py": EVALUATOR.replace("/ len(truth)", "/ len(truth) + __import__('random').random()")},
    "lax": {"evaluator.py": EVALUATOR.replace("if set(mine) != set(truth):", "if not mine: mine = dict(truth)\nif 0:")},
    "incomplete": {"answer.csv": None},
}
DROPPED = {
    "unordered": "strictly ordered",
    "too-easy": "strictly ordered",
    "raising": "no such luck",
    "chatty": "no JSON object",
    "short": "is_lower_better",
    "hanging": "did not end within",
    "dying": "ended its process",
    "fickle": "do not agree",
    "incomplete": "answer.csv is missing",
    "linked": "is a link",
    "reaching": "evaluator",
}
KEPT_WITH = {
    "told": "tells of answer.csv",
    "copied": "backup/labels.csv holds what",
    "leaking": "has the target column",
    "above-sample": "does not beat the sample",
    "lax": "an empty file scores",
}


def write_task(bundle, name, changes):
    for file, content in {**FILES, **changes}.items():
        path = bundle / name / "prepared" / "public" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_text(content)
    return bundle / name / "prepared" / "public"


@pytest.fixture(scope="module")
def taken(tmp_path_factory, sandmle):
    """A bundle with every defect, imported once by the program: where it was put, and the report."""
    root = tmp_path_factory.mktemp("release")
    bundle, out, outside = root / "bundle", root / "out", root / "outside.txt"
    for name, changes in TASKS.items():
        write_task(bundle, name, changes)
    (write_task(bundle, "linked", {}) / "extra.csv").symlink_to("/etc/hostname")
    reaching = f"open({str(outside)!r}, 'w').write('out')\n{EVALUATOR}"
    write_task(bundle, "reaching", {"evaluator.py": reaching})
    (bundle / "ok_competitions_sanity.json").write_text(json.dumps(["Good_Task.1", "lost"]))
    done = sandmle("import", "sandmle-release", bundle, "-o", out, "--deadline", 30, "--json", code=1)
    return bundle, out, outside, json.loads(done.stdout)


def of(report, name):
    (found,) = [one for one in report["tasks"] if one["name"] == name]
    return found


def test_answers_and_evaluators_are_out_of_the_agents_sight(taken):
    bundle, out, _, _ = taken
    task = out / "good-task-1"
    assert {path.name for path in (task / "public").iterdir()} == {"train.csv", "test.csv", "sample_submission.csv"}
    assert (task / "private" / "answer.csv").read_text() == FILES["answer.csv"]
    assert (task / "private" / "evaluator.py").read_text() == EVALUATOR
    assert (task / "description.md").read_text() == FILES["description.md"]
    assert not (out / "copied" / "public" / "backup" / "labels.csv").exists()
    assert (bundle / "copied" / "prepared" / "public" / "backup" / "labels.csv").exists()


def test_a_sound_task_has_no_defects_and_its_thresholds_on_record(taken):
    _, out, _, report = taken
    good = of(report, "Good_Task.1")
    assert (good["imported"], good["defects"], good["direction"]) == (True, [], "min")
    assert good["thresholds"] == {"gold": 0.1, "silver": 0.2, "bronze": 0.3, "median": 0.4}
    assert (good["sample_score"], good["truth_score"]) == (1.0, 0.0)
    assert json.loads((out / "report.json").read_text()) == report
    assert json.loads((out / "good-task-1" / "private" / "release.json").read_text()) == good


@pytest.mark.parametrize("name", DROPPED)
def test_tasks_that_fail_are_left_out_with_the_reason(taken, name):
    _, out, _, report = taken
    found = of(report, name)
    assert not found["imported"]
    assert not (out / name).exists()
    assert any(DROPPED[name] in defect["message"] and defect["fatal"] for defect in found["defects"]) or (
        name == "reaching" and found["defects"]
    )


@pytest.mark.parametrize("name", KEPT_WITH)
def test_lesser_defects_are_reported_and_the_task_is_kept(taken, name):
    _, out, _, report = taken
    found = of(report, name)
    assert found["imported"]
    assert (out / name / "public" / "train.csv").is_file()
    assert any(KEPT_WITH[name] in defect["message"] for defect in found["defects"])


def test_an_evaluator_cannot_write_outside_its_sandbox(taken):
    _, _, outside, _ = taken
    assert not outside.exists()


def test_the_bundles_own_list_is_held_against_what_is_there(taken):
    _, _, _, report = taken
    assert report["missing"] == ["lost"]
    assert report["imported"] == 1 + len(KEPT_WITH)


def test_what_is_exported_in_that_layout_is_taken_in_again(make, sandmle, tmp_path):
    kind = make.Kind("mae")
    task = make.write_task(tmp_path / "tasks", kind, "apples")
    sandmle("export", "tasks", tmp_path / "tasks", "--format", "sandmle-release", "-o", tmp_path / "bundle")
    done = sandmle("import", "sandmle-release", tmp_path / "bundle", "-o", tmp_path / "out", "--deadline", 60, "--json")
    (found,) = json.loads(done.stdout)["tasks"]
    stated = read_spec(task)
    assert (found["imported"], found["direction"]) == (True, "min")
    assert found["thresholds"] == stated.thresholds.model_dump()
    sample = grade(Materials().of(task), (task / "public" / "sample_submission.csv").read_bytes())
    assert (found["sample_score"], found["truth_score"]) == (sample["score"], 0.0)
    # Its training file has three rows, and its sample submission is a good one.
    assert {defect["check"] for defect in found["defects"]} == {"size", "sample-beaten"}
    assert not list((tmp_path / "out" / "apples" / "public").glob("*answer*"))


def test_what_is_no_bundle_is_refused(program, tmp_path):
    for words, message in (
        ([tmp_path / "nowhere"], "no such folder"),
        ([tmp_path], "no SandMLE bundle"),
    ):
        done = program("import", "sandmle-release", *words, "-o", tmp_path / "out")
        assert isinstance(done.exception, UsageError)
        assert message in str(done.exception)
    write_task(tmp_path / "b", "one_task", {})
    shutil.copytree(tmp_path / "b" / "one_task", tmp_path / "b" / "one-task")
    done = program("import", "sandmle-release", tmp_path / "b", "-o", tmp_path / "out")
    assert "both become 'one-task'" in str(done.exception)
    (tmp_path / "b" / "ok_competitions_sanity.json").write_text("{}")
    shutil.rmtree(tmp_path / "b" / "one-task")
    done = program("import", "sandmle-release", tmp_path / "b", "-o", tmp_path / "out")
    assert "no JSON list" in str(done.exception)
    assert not (tmp_path / "out").exists()
