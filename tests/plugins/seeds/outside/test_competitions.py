"""Seeds of other benchmarks' checkouts, from small ones of our own making in their layout."""

import random
from pathlib import Path

import pytest

from sandmle.core.conformance.seeds import check_seed_source
from sandmle.core.errors import PluginError
from sandmle.plugins.seeds.outside.competitions import MLEBENCH, MLEDOJO, CompetitionSeeds
from sandmle.plugins.seeds.outside.config import CheckoutConfig

CONFIG = "id: {name}\nname: {title}\ngrader:\n  name: {grader}\n  grade_fn: x:grade\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def train_table() -> str:
    rng = random.Random(1)
    lines = ["passenger,age,deck,lost"]
    for at in range(300):
        age = rng.gauss(40, 10)
        lines.append(f"p{at:04d},{age:.1f},{rng.choice('abc')},{int(age + rng.gauss(0, 5) > 40)}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def mlebench(tmp_path: Path) -> Path:
    home = tmp_path / "mle-bench" / "mlebench" / "competitions"
    for name, title, grader, words in (
        ("ship-of-space", "Ship of Space", "accuracy", "Predict who is lost."),
        ("whales", "'Whales by picture'", "auc-roc", "Each image is a photo of a whale. " * 4),
        ("sales", "Sales", "root-mean-squared-error", "forecast the time series: " * 6),
        ("evaluated", "Evaluated", "mean-absolute-error", "x"),
        ("leaves", "Leaves", "multi-class-log-loss", "x"),
    ):
        write(home / name / "config.yaml", CONFIG.format(name=name, title=title, grader=grader))
        write(home / name / "description.md", words)
        board = "teamId,teamName,score\n" + "".join(f"{at},'a, b',{0.5 + at / 100}\n" for at in range(20))
        write(home / name / "leaderboard.csv", board)
    write(tmp_path / "mle-bench" / "experiments" / "splits" / "low.txt", "evaluated\n")
    write(tmp_path / "data" / "ship-of-space" / "prepared" / "public" / "train.csv", train_table())
    return tmp_path / "mle-bench"


def test_every_competition_that_nothing_is_measured_on_is_a_seed(mlebench: Path) -> None:
    source = CompetitionSeeds(config=CheckoutConfig(checkout=mlebench), layout=MLEBENCH)
    check_seed_source(source)
    seeds = {seed.seed_id: seed for seed in source.seeds()}
    assert sorted(seeds) == ["leaves", "sales", "ship-of-space", "whales"]
    kinds = {name: (seed.modality, seed.task_type, seed.metric) for name, seed in seeds.items()}
    assert kinds == {
        "leaves": ("tabular", "classification", "log_loss"),
        "sales": ("series", "forecasting", "rmse"),
        "ship-of-space": ("tabular", "classification", "accuracy"),
        "whales": ("image", "classification", "roc_auc"),
    }
    assert seeds["whales"].title == "Whales by picture"
    assert seeds["sales"].dna["teams"] == 20


def test_one_that_is_named_is_taken_though_it_is_measured_on(mlebench: Path) -> None:
    config = CheckoutConfig(checkout=mlebench, competitions=("evaluated",))
    [seed] = CompetitionSeeds(config=config, layout=MLEBENCH).seeds()
    assert (seed.task_type, seed.metric) == ("regression", "mae")


def test_where_data_is_prepared_its_table_is_measured(mlebench: Path, tmp_path: Path) -> None:
    config = CheckoutConfig(checkout=mlebench, data=tmp_path / "data", competitions=("ship-of-space",))
    [seed] = CompetitionSeeds(config=config, layout=MLEBENCH).seeds()
    assert (seed.dna["rows"], seed.dna["classes"], seed.dna["teams"]) == (300, 2, 20)
    assert "passenger" not in str(seed)


def test_mle_dojo_is_read_in_its_own_layout(tmp_path: Path) -> None:
    home = tmp_path / "dojo" / "mledojo" / "competitions" / "ship"
    write(home / "utils" / "metric.py", "from sklearn.metrics import cohen_kappa_score\nraise SystemExit('was run')\n")
    write(home / "info" / "description.txt", "Grade the ships.")
    write(home / "info" / "private_leaderboard.csv", "Rank,Team,Score\n1,a,0.9\n2,b,x\n")
    write(tmp_path / "data" / "ship" / "data" / "public" / "train.csv", train_table())
    config = CheckoutConfig(checkout=tmp_path / "dojo", data=tmp_path / "data")
    [seed] = CompetitionSeeds(config=config, layout=MLEDOJO).seeds()
    assert (seed.seed_id, seed.title, seed.metric) == ("ship", "Ship", "qwk")
    assert (seed.dna["teams"], seed.dna["rows"]) == (1, 300)


def test_what_is_no_checkout_and_who_is_not_in_it_is_said(mlebench: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is no checkout of MLE-Dojo"):
        CompetitionSeeds(config=CheckoutConfig(checkout=mlebench), layout=MLEDOJO).seeds()
    config = CheckoutConfig(checkout=mlebench, competitions=("whale",))
    with pytest.raises(PluginError, match="did you mean 'whales'"):
        CompetitionSeeds(config=config, layout=MLEBENCH).seeds()
