"""Tasks as the peers' competitions: their code comes to the scores, medals and HumanRank of ours."""

import asyncio
import functools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.grading_worker import Materials, grade
from sandmle.core.engine.tasks import list_tasks, read_task
from sandmle.core.types.score import Direction
from sandmle.core.types.task import KnownModality
from sandmle.plugins.seeds.realdata.benchmark import RealData
from sandmle.plugins.seeds.realdata.config import RealDataConfig

STAND_INS = Path(__file__).parent / "stand_ins"
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
        try:
            verdict = grade(path.parent.name, path)
        except Exception as problem:
            # What their pandas cannot read never reaches a grader.
            verdict = {"refused": f"{type(problem).__name__}: {problem}"}
        found.setdefault(path.parent.name, {})[path.name] = verdict
print(json.dumps(found, default=float))
"""


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


MEDALS = ("gold", "silver", "bronze")
SPOILT = (0, 11, 16, 17, 20, 22, 23)
"""Numbers of tasks that files which are invalid or odd are handed in for: one of each form of submission."""
PANDAS_READS = ("nul.csv",)
"""Files that we refuse and pandas reads before a grader of the peers sees them, as docs/exchange.md says."""


def odd_bytes(good):
    """Files that readers of CSV may come to different ends with: name to content."""
    text = good.decode()
    quoted = "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.split())
    return {
        "bom.csv": b"\xef\xbb\xbf" + good,
        "crlf.csv": text.replace("\n", "\r\n").encode(),
        "quoted.csv": quoted.encode(),
        "spaces.csv": text.replace(",", " , ").encode(),
        "blank-lines.csv": text.replace("\n", "\n\n").encode(),
        "no-end.csv": good.rstrip(),
        "empty.csv": b"",
        "utf-16.csv": text.encode("utf-16"),
        "latin-1.csv": text.replace("row_id", "row_\xefd").encode("latin-1"),
        "nul.csv": good[:20] + b"\0" + good[20:],
        "cut.csv": good[: len(good) * 2 // 3],
        "semicolons.csv": text.replace(",", ";").encode(),
        "doubled.csv": good + good,
        "unclosed.csv": good + b'"',
        "wide-row.csv": good + b"1,2,3,4,5,6,7,8\n",
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
        if number in SPOILT:
            for name, content in spoilt(make.submission(kind, 0.2)).items():
                (here / name).write_text("\n".join(content) + "\n")
            for name, content in odd_bytes(make.submission(kind, 0.2)).items():
                (here / name).write_bytes(content)
    return tasks, folder, graded(tasks, folder)


@pytest.fixture(scope="module")
def on_the_edge(make, tmp_path_factory):
    """Boards made of the very scores that are handed in, with ties: each threshold is met to the last digit."""
    root = tmp_path_factory.mktemp("edge")
    tasks, folder = root / "tasks", root / "submissions"
    for number, kind in enumerate(make.kinds):
        name = f"edge-{number:02d}-{kind.metric.replace('_', '-')}"
        trial = Materials().of(make.write_task(root / "trial", kind, name))
        tried = [make.submission(kind, 0.03 + draw / 60, draw) for draw in range(60)]
        by_score = {grade(trial, content)["score"]: content for content in tried}
        best = sorted(by_score, reverse=trial.spec.metric.direction is Direction.MAXIMIZE)[:6]
        assert len(best) == 6, f"{name}: the scores {best} are too few"
        # Rows 2, 4 and 8 of 20 are the thresholds of gold, silver and bronze, and 10 and 11 make the median.
        rows = [score for score, times in zip(best, (1, 2, 3, 3, 3, 8), strict=True) for _ in range(times)]
        board = "rank,score\n" + "".join(f"{rank},{score:.5f}\n" for rank, score in enumerate(rows, 1))
        make.write_task(tasks, kind, name, board=board)
        (folder / name).mkdir(parents=True)
        for place, score in enumerate(best):
            (folder / name / f"place-{place}.csv").write_bytes(by_score[score])
    ours = graded(tasks, folder)
    for name, grades in ours.items():
        found = [(grades[f"place-{at}.csv"].medal.value, grades[f"place-{at}.csv"].above_median) for at in range(6)]
        medals = [*(("gold", True),) * 2, ("silver", True), ("bronze", True), ("none", False), ("none", False)]
        assert found == medals, name
    return tasks, folder, ours


def mix(task, truth, folder):
    """Submissions that mix the sample submission with better predictions, from none of these to all."""
    (folder / task.spec.task_id).mkdir(parents=True)
    header, *rows = task.layout.sample_submission.read_text().splitlines()
    width = header.count(",")
    known = dict(row.split(",", 1) for row in truth.read_text().splitlines()[1:])
    for share in range(0, 101, 10):
        draw = random.Random(share)
        mixed = [
            f"{name},{','.join(known[name].split(',')[:width])}" if draw.random() * 100 < share else row
            for row in rows
            for name in [row.split(",", 1)[0]]
        ]
        path = folder / task.spec.task_id / f"share-{share:03d}.csv"
        path.write_text("\n".join([header, *mixed]) + "\n")


def graded(tasks, folder):
    """Task to file to what our grader says."""

    async def grade_all():
        grader = LocalGrader()
        try:
            return {
                task.name: {path.name: await grader.grade(task, path.read_bytes()) for path in sorted(here.iterdir())}
                for task in sorted(path.parent for path in tasks.glob("*/task.toml"))
                for here in [folder / task.name]
            }
        finally:
            await grader.close()

    return asyncio.run(grade_all())


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
    """See that a peer gives our verdicts; returns the medals that were earned."""
    tasks, folder, ours = handed_in
    out = tmp_path / "out"
    summary = export_tasks(tasks, "--format", peer, "-o", out)
    assert (len(summary["tasks"]), summary["left_out"]) == (len(ours), {})
    theirs = verdicts(peer, root, out, folder, tmp_path)
    otherwise = [
        f"{task}/{name}: {ours_as(peer, mine)}, there {theirs_as(peer, theirs[task][name])}"
        for task, grades in ours.items()
        for name, mine in grades.items()
        if ours_as(peer, mine) != theirs_as(peer, theirs[task][name]) and not (name in PANDAS_READS and not mine.valid)
    ]
    assert otherwise == []
    return {grade.medal.value for grades in ours.values() for grade in grades.values()}


def ours_as(peer, mine):
    """What a peer should say: score, medal and median, or score and HumanRank; None for an invalid submission."""
    if not mine.valid:
        return None
    return (mine.score, mine.medal.value, mine.above_median) if peer == "mlebench" else (mine.score, mine.human_rank)


def theirs_as(peer, yours):
    if "refused" in yours or not yours.get("valid_submission", yours.get("status") == "SUCCESS"):
        return None
    if peer == "mledojo":
        return yours["raw_score"], yours["position_score"]["avg_score"]
    medals = [medal for medal in MEDALS if yours[f"{medal}_medal"]]
    assert len(medals) <= 1
    return yours["score"], *(medals or ["none"]), yours["above_median"]


def compare_all(peer, export_tasks, handed_in, on_the_edge, root, tmp_path):
    (tmp_path / "edge").mkdir()
    medals = compare(peer, export_tasks, handed_in, root, tmp_path)
    medals |= compare(peer, export_tasks, on_the_edge, root, tmp_path / "edge")
    assert medals == {*MEDALS, "none"}
    valid = [grade.valid for grades in handed_in[2].values() for grade in grades.values()]
    assert valid.count(False) > 80


@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_the_formats_rules_give_our_verdicts(peer, export_tasks, handed_in, on_the_edge, tmp_path):
    compare_all(peer, export_tasks, handed_in, on_the_edge, STAND_INS / peer, tmp_path)


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_the_peers_own_code_gives_our_verdicts(peer, export_tasks, handed_in, on_the_edge, tmp_path):
    compare_all(peer, export_tasks, handed_in, on_the_edge, checkout(peer), tmp_path)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_thirty_synthetic_tasks_are_graded_alike(peer, thirty, export_tasks, tmp_path):
    root = checkout(peer)
    medals = compare(peer, export_tasks, thirty(), root, tmp_path)
    assert medals == {*MEDALS, "none"}


@pytest.fixture(scope="module")
def thirty(make, sandmle, tmp_path_factory):
    """Thirty synthetic tasks, or those of the folder `PEERS_TASKS`, and submissions between truth and sample."""

    @functools.cache
    def made():
        root = tmp_path_factory.mktemp("thirty")
        tasks, folder = root / "tasks", root / "submissions"
        corpus = os.environ.get("PEERS_TASKS")
        if corpus:
            tasks = Path(corpus)
        else:
            sandmle("synth", "-n", 30, "--mix", "even", "--rng-seed", 11, "--workers", 2, "-o", tasks)
        modalities = set()
        for number, task in enumerate(list_tasks(tasks)):
            modalities.add(task.spec.modality)
            mix(task, task.layout.private / "oracle.csv", folder)
            # A share of them is enough: the rules for files do not depend on the task.
            for name, content in list(spoilt(task.layout.sample_submission.read_bytes()).items())[number % 3 :: 3]:
                (folder / task.spec.task_id / name).write_text("\n".join(content) + "\n")
        assert corpus or modalities >= {*get_args(KnownModality)}
        return tasks, folder, graded(tasks, folder)

    return made


@pytest.fixture(scope="module")
def real_rows(make, tmp_path_factory):
    """A task of real rows, its board of 209 real solutions, and submissions between the truth and the usual."""
    root = tmp_path_factory.mktemp("real")
    tasks, folder = root / "tasks", root / "submissions"
    (path,) = RealData(RealDataConfig(path=tasks, repeats=1, seed_ids=("diabetes-progression",))).task_dirs()
    task = read_task(path)
    mix(task, task.layout.answers, folder)
    earn_each_medal(task, folder / task.spec.task_id)
    return tasks, folder, graded(tasks, folder)


def earn_each_medal(task, folder):
    """Submissions that lie as far from the truth as a threshold lets them. The metric is R2."""
    assert task.spec.metric.name == "r2"
    sample = task.layout.sample_submission.read_bytes()
    header, *rows = sample.decode().splitlines()
    true = dict(row.split(",")[:2] for row in task.layout.answers.read_text().splitlines()[1:])
    usual = grade(Materials().of(task.layout.root), sample)["score"]
    for medal in MEDALS:
        # What R2 lacks of 1 grows with the square of the distance; a little less of it passes the threshold.
        part = 0.99999 * ((1 - getattr(task.spec.thresholds, medal)) / (1 - usual)) ** 0.5
        values = {name: (float(true[name]), float(value)) for name, value in (row.split(",") for row in rows)}
        moved = [f"{name},{truth + part * (value - truth)!r}" for name, (truth, value) in values.items()]
        (folder / f"{medal}.csv").write_text("\n".join([header, *moved]) + "\n")


@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_tasks_of_real_rows_are_graded_alike(peer, export_tasks, real_rows, tmp_path):
    medals = compare(peer, export_tasks, real_rows, STAND_INS / peer, tmp_path)
    assert medals == {*MEDALS, "none"}
    assert all(grades[f"{medal}.csv"].medal.value == medal for grades in real_rows[2].values() for medal in MEDALS)


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["mlebench", "mledojo"])
def test_the_peers_own_code_grades_tasks_of_real_rows_alike(peer, export_tasks, real_rows, tmp_path):
    compare(peer, export_tasks, real_rows, checkout(peer), tmp_path)
