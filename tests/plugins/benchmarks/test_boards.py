"""`sandmle board` on boards as they are in the wild: pointers, pages, cut files; and scores as graders round them."""

import json

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.engine.boards import round_score
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import BoardError


@pytest.fixture
def medals(monkeypatch, tmp_path):
    monkeypatch.setenv("SANDMLE_PLUGINS", "")
    app = build_app(open_toolkit())
    (tmp_path / "scores.json").write_text("[0.123455]")

    def run(board, *words):
        (tmp_path / "board.csv").write_text(board)
        asked = ["board", "medals", str(tmp_path / "board.csv"), "--scores-file", str(tmp_path / "scores.json"), *words]
        done = CliRunner().invoke(app, [*asked, "--json"])
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout), done.stderr

    return run


def test_kaggles_columns_rank_by_score_and_a_first_page_is_warned_of(medals, boards):
    found, said = medals(boards.kaggle([0.1 * place for place in range(1, 21)]))
    assert (found["n_teams"], found["thresholds"]["gold"]) == (20, 0.2)
    assert "warning" in said
    assert "20 rows in Kaggle's own columns" in said
    assert medals(boards.usual)[1] == ""


def test_a_cut_board_is_ranked_as_the_peer_would_and_warned_of(medals):
    assert "ends in the middle of row 3" in medals("score,team\n0.1,a\n0.2,b\n0.3")[1]


def test_a_pointer_is_named_as_one(medals):
    with pytest.raises(BoardError, match="Git LFS pointer"):
        medals("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def test_rounding_follows_the_type_that_a_grader_returns(medals):
    board = "score\n0.12346\n0.1\n"
    assert medals(board)[0]["results"][0]["gold_medal"] is False
    assert medals(board, "--round", "python")[0]["results"][0]["gold_medal"] is False
    assert medals(board, "--round", "numpy")[0]["results"][0]["gold_medal"] is True
    huge = 10**400
    assert [round_score(huge, manner) for manner in ("none", "python", "numpy")] == [huge] * 3
    assert [round_score(value, "numpy") for value in (None, 3, 1e305, -0.5)] == [None, 3.0, float("inf"), -0.5]
    assert [round_score(value, "python") for value in (None, 3, float("inf"), 0.999995)] == [
        None,
        3,
        float("inf"),
        0.99999,
    ]
