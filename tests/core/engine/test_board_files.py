"""The reports behind `sandmle board`."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sandmle.core.engine.board_files import human_rank_report, medal_report, read_scores
from sandmle.core.errors import BoardError
from sandmle.core.types.score import Direction


@pytest.fixture
def write(tmp_path: Path):
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def strict_json(report: Any) -> Any:
    """Through JSON and back, refusing the bare NaN that Python would write."""
    return json.loads(json.dumps(report, allow_nan=False))


def test_medals_are_reported_for_every_kind_of_score(write: Any):
    board = write("board.csv", "rank,score\n" + "".join(f"{i},{1 - i / 100}\n" for i in range(1, 11)))
    scores = write("s.json", '[0.99, 0.98, 0.96, 0.945, 0.9, null, "NaN", "Infinity", 1e999, 1]')
    report = strict_json(medal_report(board, scores))
    assert (report["n_teams"], report["lower_is_better"]) == (10, False)
    assert report["thresholds"] == {"gold": 0.99, "silver": 0.98, "bronze": 0.96, "median": pytest.approx(0.945)}
    medals = [[r["gold_medal"], r["silver_medal"], r["bronze_medal"], r["above_median"]] for r in report["results"]]
    assert [sum(flags[:3]) for flags in medals] == [1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert [flags[3] for flags in medals[:5]] == [True, True, True, False, False]
    assert [r["score"] for r in report["results"][5:9]] == [None, "NaN", "Infinity", "Infinity"]


def test_scores_are_not_rounded_before_they_are_ranked(write: Any):
    board = write("board.csv", "score\n0.5\n0.4\n")
    report: Any = medal_report(board, write("s.json", "[0.499999, 0.5]"))
    assert [r["gold_medal"] for r in report["results"]] == [False, True]


def test_a_nan_threshold_is_written_by_name(write: Any):
    report = strict_json(medal_report(write("b.csv", "score\nnan\n0.4\n"), write("s.json", "[1]")))
    assert report["thresholds"]["gold"] == "NaN"


@pytest.mark.parametrize("content", ["", "rank,points\n1,2\n", "score\n", "score\nx\n", "score\n" + "9" * 400, b"\xff"])
def test_a_board_mle_bench_fails_on_is_a_board_error_naming_the_file(write: Any, content: str | bytes):
    with pytest.raises(BoardError, match=r"board\.csv|score"):
        medal_report(write("board.csv", content), write("s.json", "[0.5]"))


def test_a_missing_board_is_an_error_for_medals_and_left_out_of_human_rank(write: Any, tmp_path: Path):
    scores = write("s.json", "[0.5, null]")
    with pytest.raises(BoardError, match="cannot read"):
        medal_report(tmp_path / "none.csv", scores)
    report = human_rank_report(tmp_path / "none.csv", None, Direction.MAXIMIZE, scores)
    assert report == {"results": [{"score": 0.5}, {"score": None}]}


def test_human_rank_is_given_per_board_and_on_average(write: Any):
    private = write("p.csv", "rank,score\n1,0.9\n2,0.5\n3,0.5\n4,0.1\n")
    public = write("q.csv", "rank,score\n1,0.8\n2,0.6\n")
    report: Any = human_rank_report(private, public, Direction.MAXIMIZE, write("s.json", "[0.5, 0.7]"))
    assert report["results"][0] == {
        "score": 0.5,
        "private": {"position": 2, "total": 4, "position_score": 0.75},
        "public": {"position": 3, "total": 2, "position_score": 0.0},
        "avg_score": 0.375,
    }
    only: Any = human_rank_report(None, public, Direction.MINIMIZE, write("s.json", "[0.7]"))
    assert only["results"] == [
        {"score": 0.7, "public": {"position": 2, "total": 2, "position_score": 0.5}, "avg_score": 0.5}
    ]


def test_scores_come_from_the_second_column_whatever_its_name(write: Any):
    report: Any = human_rank_report(write("p.csv", "score,x\n9,1\n"), None, Direction.MAXIMIZE, write("s.json", "[5]"))
    assert report["results"][0]["avg_score"] == 1.0


def test_a_null_or_a_broken_board_is_an_error_of_each_result(write: Any, tmp_path: Path):
    good, scores = write("p.csv", "rank,score\n1,0.5\n"), write("s.json", '[null, "NaN"]')
    nulls, nan = human_rank_report(good, None, Direction.MAXIMIZE, scores)["results"]  # type: ignore[misc]
    assert nulls.keys() == {"score", "error"}
    assert nan == {
        "score": "NaN",
        "private": {"position": 2, "total": 1, "position_score": 0.0},
        "avg_score": 0.0,
    }
    for bad in (write("one.csv", "score\n1\n"), write("text.csv", "a,b\n1,x\n"), write("none.csv", "a,b\n"), tmp_path):
        results: Any = human_rank_report(good, bad, Direction.MAXIMIZE, scores)["results"]
        assert [result.keys() for result in results] == [{"score", "error"}] * 2


@pytest.mark.parametrize(
    "content", ["", "{}", "3", "[true]", '["0.5"]', "[[1]]", "[1", "[" * 100_000, '["nan"]', b"\xff"]
)
def test_a_scores_file_that_is_no_list_of_scores_is_a_board_error(write: Any, content: str | bytes):
    with pytest.raises(BoardError, match=r"s\.json"):
        read_scores(write("s.json", content))


def test_scores_keep_what_they_are(write: Any):
    scores = read_scores(write("s.json", '[1, 1.0, null, "-Infinity", NaN]'))
    assert [type(score) for score in scores] == [int, float, type(None), float, float]
    assert scores[3] == -math.inf
