"""Small checkouts of the peers with data, written here: the stand-ins' code, and competitions of our own making."""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind

STAND_INS = Path(__file__).parents[1] / "exchange" / "stand_ins"
GRADE = """
from mlebench.grade_helpers import InvalidSubmissionError


def grade(submission, answers):
    if list(submission.columns) != list(answers.columns) or len(submission) != len(answers):
        raise InvalidSubmissionError("the submission needs the columns and the rows of the test set")
    joined = answers.merge(submission, on="id", suffixes=("", "_mine"))
    if len(joined) != len(answers):
        raise InvalidSubmissionError("unknown ids")
    if (joined["weight_mine"] < -1e300).any():
        return None
    return float(((joined["weight"] - joined["weight_mine"]) ** 2).mean() ** 0.5)
"""
PREPARE = """
import shutil


def prepare(raw, public, private):
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        shutil.copyfile(raw / name, public / name)
    (private / "half.txt").write_text("begun")
    shutil.copyfile(raw / "answers.csv", private / "answers.csv")
"""
DESCRIPTION = """# Weigh the fruit

Predict `weight` of each fruit of the test file from `size` and `age`.

## Evaluation

Submissions are scored by the root mean squared error (RMSE). Lower is better.

    id,weight
    1,0.5
"""
KAGGLE_HEADER = "scoreNullable,teamId,hasTeamName,submissionDate,score,hasScore"


def kaggle_board(scores):
    """A board in the columns of Kaggle's API, best first."""
    rows = [f"{score:.5f},{team},True,2020-01-01 00:00:00,{score:.5f},True" for team, score in enumerate(scores)]
    return "\n".join([KAGGLE_HEADER, *rows]) + "\n"


BOARD = kaggle_board([0.02 * place for place in range(1, 121)])


def fruit(rng_seed, rows=90):
    """Rows `id,size,age,weight`."""
    rng = random.Random(rng_seed)
    for number in range(rows):
        size, age = rng.uniform(1, 5), rng.uniform(0, 9)
        yield number, round(size, 4), round(age, 4), round(0.8 * size + 0.1 * age + rng.gauss(0, 0.1), 4)


def raw_files(rng_seed):
    """File name to text of a competition's raw data."""
    train, test = list(fruit(rng_seed)), list(fruit(rng_seed + 1, 40))
    table = lambda header, rows: "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"  # noqa: E731
    return {
        "train.csv": table("id,size,age,weight", train),
        "test.csv": table("id,size,age", [row[:3] for row in test]),
        "sample_submission.csv": table("id,weight", [(row[0], 0.5) for row in test]),
        "answers.csv": table("id,weight", [(row[0], row[3]) for row in test]),
    }


@dataclass(frozen=True)
class Bench:
    """The checkout, the data, and what tests do to them."""

    root: Path

    @property
    def checkout(self):
        return self.root / "mle-bench"

    @property
    def data(self):
        return self.root / "bench data"

    def competition(self, name):
        return self.checkout / "mlebench" / "competitions" / name

    def add(self, name, *, rng_seed=0, prepared=True, board=BOARD, description=DESCRIPTION):
        here = self.competition(name)
        here.mkdir(parents=True)
        config = {
            "id": name,
            "name": f"Fruit of {name}",
            "competition_type": "simple",
            "description": f"mlebench/competitions/{name}/description.md",
            "dataset": {
                "answers": f"{name}/prepared/private/answers.csv",
                "sample_submission": f"{name}/prepared/public/sample_submission.csv",
            },
            "grader": {"name": "rmse", "grade_fn": f"mlebench.competitions.{name}.grade:grade"},
            "preparer": f"mlebench.competitions.{name}.prepare:prepare",
        }
        (here / "config.yaml").write_text(json.dumps(config))
        (here / "grade.py").write_text(GRADE)
        (here / "prepare.py").write_text(PREPARE)
        (here / "description.md").write_text(description)
        (here / "leaderboard.csv").write_text(board)
        raw = self.data / name / "raw"
        raw.mkdir(parents=True)
        for file, text in raw_files(rng_seed).items():
            (raw / file).write_text(text)
        if prepared:
            public, private = (self.data / name / "prepared" / part for part in ("public", "private"))
            public.mkdir(parents=True)
            private.mkdir()
            for file in raw.iterdir():
                shutil.copy(file, private if file.name == "answers.csv" else public)
            shutil.rmtree(raw)

    def split(self, name, *ids):
        folder = self.checkout / "experiments" / "splits"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text("".join(f"{one}\n" for one in ids))

    def words(self):
        return ("--benchmark", "mlebench", "--checkout", self.checkout, "--data", self.data)

    def options(self, **more):
        return {"checkout": str(self.checkout), "data": str(self.data), "work": str(self.root / "work"), **more}

    def make(self, **more):
        registry = load_plugins(builtins=["sandmle.plugins.benchmarks.plugin"]).registry
        return registry.make(Kind.BENCHMARK, "mlebench", self.options(**more))


METRIC = """
from mledojo.metrics.base import CompetitionMetrics, InvalidSubmissionError


class WeightMetrics(CompetitionMetrics):
    def __init__(self, value="weight", higher_is_better=False):
        super().__init__(higher_is_better)

    def evaluate(self, y_true, y_pred):
        joined = y_true.merge(y_pred, on="id", suffixes=("", "_mine"))
        if (joined["weight_mine"] < -1e300).any():
            return None
        return float(((joined["weight"] - joined["weight_mine"]) ** 2).mean() ** 0.5)

    def validate_submission(self, submission, ground_truth):
        if list(submission.columns) != ["id", "weight"] or sorted(submission["id"]) != sorted(ground_truth["id"]):
            raise InvalidSubmissionError("the submission needs the columns and the rows of the test set")
"""
DOJO_PREPARE = PREPARE.replace('answers.csv", private / "answers.csv', 'answers.csv", private / "test_answer.csv')


def dojo_board(scores):
    return "rank,score\n" + "".join(f"{place},{score:.5f}\n" for place, score in enumerate(scores, 1))


@dataclass(frozen=True)
class Dojo(Bench):
    """The same of MLE-Dojo."""

    @property
    def checkout(self):
        return self.root / "MLE-Dojo"

    @property
    def data(self):
        return self.root / "dojo-data"

    def competition(self, name):
        return self.checkout / "mledojo" / "competitions" / name

    def add(self, name, *, rng_seed=0, prepared=True, teams=50, with_data=True):
        here = self.competition(name)
        (here / "utils").mkdir(parents=True)
        (here / "info").mkdir()
        (here / "utils" / "metric.py").write_text(METRIC)
        (here / "utils" / "prepare.py").write_text(DOJO_PREPARE)
        (here / "info" / "description.txt").write_text(DESCRIPTION)
        private = dojo_board([0.02 * place for place in range(1, teams + 1)])
        public = dojo_board([0.03 * place for place in range(1, 11)])
        (here / "info" / "private_leaderboard.csv").write_text(private)
        (here / "info" / "public_leaderboard.csv").write_text(public)
        if not with_data:
            return
        raw, made = self.data / name / "raw", self.data / name / "data"
        raw.mkdir(parents=True)
        for file, text in raw_files(rng_seed).items():
            (raw / file).write_text(text)
        if prepared:
            (made / "public").mkdir(parents=True)
            (made / "private").mkdir()
            for file in raw.iterdir():
                target = (
                    made / "private" / "test_answer.csv" if file.name == "answers.csv" else made / "public" / file.name
                )
                shutil.copy(file, target)
            shutil.copy(here / "info" / "description.txt", made / "public")
            for board in here.glob("info/*.csv"):
                shutil.copy(board, made / "private")
            shutil.rmtree(raw)

    def sets(self, evaluation, training=()):
        found = {"Evaluation": evaluation, "Training": list(training), "By-Source": {"new-bench": []}}
        (self.checkout / "mledojo" / "competitions" / "competition.json").write_text(json.dumps(found))

    def words(self):
        return ("--benchmark", "mledojo", "--checkout", self.checkout, "--data", self.data)

    def make(self, **more):
        registry = load_plugins(builtins=["sandmle.plugins.benchmarks.plugin"]).registry
        return registry.make(Kind.BENCHMARK, "mledojo", self.options(**more))


@pytest.fixture
def dojo(tmp_path):
    """Three competitions, two of them in the evaluation sets."""
    made = Dojo(tmp_path)
    shutil.copytree(STAND_INS / "mledojo", made.checkout)
    made.add("apple-weight")
    made.add("PearWeight", rng_seed=5)
    made.add("plum-weight", rng_seed=9)
    made.sets({"MLE-Lite": ["apple-weight"], "Tabular": ["PearWeight"]}, ["plum-weight"])
    return made


@pytest.fixture
def bench(tmp_path):
    """Two competitions in `lite`, both prepared."""
    made = Bench(tmp_path)
    shutil.copytree(STAND_INS / "mlebench", made.checkout)
    made.add("apple-weight")
    made.add("PearWeight", rng_seed=5)
    made.split("low", "apple-weight", "PearWeight")
    made.split("dev", "PearWeight")
    return made


@pytest.fixture
def boards():
    """What boards are made of."""
    return SimpleNamespace(usual=BOARD, kaggle=kaggle_board)
