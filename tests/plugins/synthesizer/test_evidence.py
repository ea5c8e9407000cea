import re

import pytest

from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import Strategy
from sandmle.core.types.task import TASK_ID_PATTERN, SubmissionFormat
from sandmle.plugins.synthesizer.assembly import task_id
from sandmle.plugins.synthesizer.evidence import _distinct, _standing, constant_submission
from sandmle.plugins.synthesizer.files import DraftTables
from sandmle.plugins.synthesizer.tables import Table


def tables(targets: list[str]) -> DraftTables:
    train = Table(header=("id", "y"), rows=tuple((str(row), target) for row, target in enumerate(targets)))
    test = Table(header=("id",), rows=(("t1",), ("t2",)))
    return DraftTables(train=train, test=test, sample=test, answers=test, oracle=test)


def strategy(metric: str, answers) -> Strategy:
    columns = [
        {"name": "id", "kind": "id", "meaning": "number"},
        {"name": "x", "kind": "number", "meaning": "a feature"},
        {"name": "y", "kind": "target", "meaning": "the target"},
    ]
    return Strategy.model_validate({**answers["data-strategist"], "columns": columns, "metric": metric})


def lines(metric: str, targets: list[str], prediction: Prediction, answers, classes=(), columns=("y",)) -> list[str]:
    form = SubmissionFormat(id_column="id", target_columns=columns, prediction=prediction, classes=classes)
    return constant_submission(tables(targets), form, strategy(metric, answers)).decode().splitlines()


def test_the_constant_is_the_best_that_train_tells(answers) -> None:
    numbers = ["1", "2", "9"]
    assert lines("rmse", numbers, Prediction.VALUE, answers) == ["id,y", "t1,4.0", "t2,4.0"]
    assert lines("mae", numbers, Prediction.VALUE, answers)[1] == "t1,2.0"
    assert lines("mae", ["1", "2", "4", "9"], Prediction.VALUE, answers)[1] == "t1,3.0"
    assert float(lines("rmsle", ["0", "3"], Prediction.VALUE, answers)[1][3:]) == pytest.approx(1.0)
    assert lines("accuracy", ["b", "a", "b"], Prediction.LABEL, answers, ("a", "b"))[1] == "t1,b"
    assert lines("accuracy", ["b", "a"], Prediction.LABEL, answers, ("a", "b"))[1] == "t1,a"
    assert lines("roc_auc", ["n", "y", "n", "n"], Prediction.PROBABILITY, answers, ("n", "y"))[1] == "t1,0.25"
    several = lines("log_loss", ["a", "b", "c", "a"], Prediction.PROBABILITY, answers, ("a", "b", "c"), ("a", "b", "c"))
    assert several[:2] == ["id,a,b,c", "t1,0.5,0.25,0.25"]


def test_of_near_identical_members_the_earlier_stays() -> None:
    agreement = [[1.0, 0.995, 0.2, None], [0.995, 1.0, 0.99, None], [0.2, 0.99, 1.0, None], [None, None, None, 1.0]]
    assert _distinct(["a", "b", "c", "d"], ["a", "b", "c", "d"], agreement) == (["a", "c", "d"], 0.2)


def test_the_board_is_best_first_with_five_decimals_and_thresholds_by_the_medal_rule() -> None:
    scores = {f"m{number:02}": number / 7 for number in range(1, 21)}
    low = _standing(scores, Direction.MINIMIZE)
    board = low.leaderboard.decode().splitlines()
    assert board[:3] == ["rank,score", "1,0.14286", "2,0.28571"]
    assert [name for name, _ in low.members[:2]] == ["m01", "m02"]
    assert (low.thresholds.gold, low.thresholds.silver, low.thresholds.bronze) == (0.28571, 0.57143, 1.14286)
    assert low.thresholds.median == pytest.approx((1.42857 + 1.57143) / 2)
    high = _standing(scores, Direction.MAXIMIZE)
    assert [name for name, _ in high.members[:2]] == ["m20", "m19"]
    assert high.thresholds.gold == 2.71429


@pytest.mark.parametrize(
    "title", ["Drying time of doors", "Ünïcode — título", "日本語日本語", "a" * 110, "x.y_z  Q" * 12, "!!!!!"]
)
def test_any_title_gives_a_valid_id(title: str) -> None:
    made = task_id("tabular", title, 7, 3)
    assert re.fullmatch(TASK_ID_PATTERN, made)
    assert len(made) <= 60
    assert made != task_id("tabular", title, 7, 4)
