"""Medals and HumanRank against the peers' own code, on random and nasty boards and scores.

    python benchmarks/board_parity.py --mlebench CHECKOUT --mledojo CHECKOUT [--boards 3000] [--rng-seed 0]

Needs checkouts of openai/mle-bench and MLE-Dojo/MLE-Dojo and an environment with pandas 3.1, in which their
modules `mlebench.grade_helpers` and `mledojo.gym.interface` import. Prints counts as JSON; exit status 1 when
any verdict differs. A verdict is the peer's numbers, bit for bit, or that it fails.
"""

import argparse
import contextlib
import io
import json
import math
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas

from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.board_files import human_rank_report, medal_report
from sandmle.core.errors import BoardError
from sandmle.core.types.score import Direction

CELLS = (
    *("1", "1.5", "-2", "+3", "0", "-0", "-0.0", ".5", "1.", "1e5", "1E-3", "1e400", "5e-324", "007"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615"),
    *("18446744073709551616", "-9223372036854775809", "99999999999999999999", "1_000", "0x10", "1e"),
    *("1e+", ".", "-", "+", "inf", "-inf", "Infinity", "+INF", "-infinity", "infin", "nan", "NaN", "NA"),
    *("N/A", "null", "NULL", "None", "none", "<NA>", "#N/A", "-nan", "+nan", "True", "false", "TRUE", "yes"),
    *("abc", "1,5", "1;2", "$5", "5%", "#", "#1", "//", "12:30", "2020-01-01"),
    *("\N{ARABIC-INDIC DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}", "1\u00a0", "\ufeff1"),
)
CELLS_WITH_SPACE = (
    "",
    " ",
    "  ",
    "\t",
    " 1.5",
    "1.5 ",
    "\t2\t",
    " nan",
    "inf ",
    "1 2",
    "- 1",
    "1\x00",
    "\x0b7",
    "9223372036854775808 ",
)
QUOTED = ('""', '"1"', '"1.5"', '"1,5"', '"a""b"', '"1"2', '1"2"', '"x\ny"', '"\r\n"', '"', '" 3 "')
LINE_ENDS = ("\n", "\r\n", "\r")


def number(rng: random.Random) -> str:
    """One ordinary score as text, of some length and magnitude."""
    kind = rng.randrange(6)
    if kind == 0:
        return str(rng.randint(-5, 20))
    if kind == 1:
        return f"{rng.random():.{rng.randint(1, 5)}f}"
    if kind == 2:
        return repr(rng.uniform(-1e3, 1e3))
    if kind == 3:
        return f"{rng.uniform(1, 10):.{rng.randint(0, 25)}f}e{rng.randint(-330, 310)}"
    if kind == 4:
        return "".join(rng.choices("0123456789", k=rng.randint(1, 40))) + "." + "".join(rng.choices("0123456789", k=20))
    return str(rng.choice((0.5, 0.25, 1, 2)))


def plain_board(rng: random.Random) -> str:
    """A well-formed board: sorted or not, with ties and missing rows, 1 to 5,000 teams."""
    n_teams = rng.choice(
        (1, 2, 3, 9, 10, 99, 100, 101, 249, 250, 251, 999, 1000, 1001, rng.randint(1, 300), rng.randint(1, 5000))
    )
    decimals = rng.choice((1, 2, 5, 16))
    scores = [round(rng.gauss(0, 1), decimals) for _ in range(n_teams)]
    order = rng.randrange(4)
    if order < 2:
        scores.sort(reverse=bool(order))
    cells = [repr(score) for score in scores]
    if order == 2 or rng.random() < 0.2:
        for _ in range(rng.randint(1, 1 + n_teams // 4)):
            cells[rng.randrange(n_teams)] = rng.choice(("", "nan", "NA", "inf", "-inf"))
    header, row = rng.choice(
        (
            ("rank,score", "{i},{c}"),
            ("scoreNullable,teamId,score", "{c},{i},{c}"),
            ("score", "{c}"),
            ("score,x", "{i},{c}"),
        )
    )
    return "\n".join([header, *(row.format(i=i, c=c) for i, c in enumerate(cells, 1))]) + "\n"


def typed_board(rng: random.Random) -> str:
    """Few rows whose score cells are drawn from one or two families of odd cells."""
    pool = rng.sample(CELLS, rng.randint(1, 3)) + [number(rng) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.4:
        pool.append(rng.choice(CELLS_WITH_SPACE))
    if rng.random() < 0.3:
        pool.append("")
    rows = [f"{i},{rng.choice(pool)}" for i in range(rng.randint(0, 12))]
    return "\n".join(["rank,score", *rows]) + rng.choice(("", "\n"))


def broken_board(rng: random.Random) -> str:
    """Odd structure: quoting, blank lines, line ends, byte-order marks, short and long rows, headers."""
    end = rng.choice((*LINE_ENDS, "\n", "\n"))
    pool = (*CELLS_WITH_SPACE, *QUOTED, *(number(rng) for _ in range(12)))
    headers = (
        "rank,score",
        "score,rank",
        "score,score",
        "score,score,score.1",
        " score,x",
        '"score",a',
        "a,b",
        "score",
        "",
        ",score",
        "x,score,",
        "rank,Score",
        "# c,score",
        "rank;score",
        "score,rank,score",
    )
    lines = [rng.choice(headers)]
    for _ in range(rng.randint(0, 8)):
        width = rng.choice((2, 2, 2, 2, 1, 3, 0, 4))
        lines.append(",".join(rng.choice(pool) for _ in range(width)))
    text = rng.choice(("", "", "", "\ufeff", "\n", " \n", "\r", "\ufeff\ufeff")) + end.join(lines)
    if rng.random() < 0.2:
        text = text.replace(end, rng.choice(LINE_ENDS), 1)
    return text + rng.choice(("", end, end + end, " ", ",", "\t"))


def any_bytes(rng: random.Random) -> str:
    """Noise over the alphabet that matters to a CSV reader."""
    return "rank,score\n" * rng.randrange(2) + "".join(rng.choices('012.,,,\n\n\r" \teEna-+\x00', k=rng.randint(0, 40)))


def scores_for(rng: random.Random, board: str) -> list[Any]:
    """Scores to rank, some equal to entries of the board."""
    found: list[Any] = []
    for cell in rng.sample(board.replace("\n", ",").split(","), min(4, board.count(",") + 1)):
        with contextlib.suppress(ValueError):
            found.append(float(cell))
    odd = (
        None,
        math.nan,
        math.inf,
        -math.inf,
        0,
        1,
        -3,
        0.0,
        -0.0,
        2**53 + 1,
        2**63,
        10**25,
        -(10**400),
        rng.gauss(0, 1),
        rng.gauss(0, 1e3),
    )
    return found + rng.sample(odd, 5)


def same(mine: Any, theirs: Any) -> bool:
    """Equal, with NaN equal to itself and floats compared bit for bit (signed zeros apart)."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(same(mine[key], theirs[key]) for key in mine)
    if isinstance(theirs, float) and math.isnan(theirs):
        return mine == "NaN"
    if isinstance(theirs, float) and math.isinf(theirs):
        return bool(mine == ("Infinity" if theirs > 0 else "-Infinity"))
    return bool(mine == theirs)


def their_medals(grader: Any, path: Path, score: Any) -> dict[str, Any] | None:
    """MLE-bench's own verdict, or None where it fails."""
    try:
        board = pandas.read_csv(path)
        verdict = grader.rank_score(score, board)
        lower = grader.is_lower_better(board)
    except Exception:  # noqa: BLE001 - whatever a peer raises means that it fails
        return None
    flags = ("gold_medal", "silver_medal", "bronze_medal", "above_median")
    return {
        "n_teams": len(board),
        "lower_is_better": bool(lower),
        "thresholds": {m: verdict[f"{m}_threshold"] for m in ("gold", "silver", "bronze", "median")},
        **{flag: bool(verdict[flag]) for flag in flags},
    }


def our_medals(path: Path, scores_path: Path, n_scores: int) -> list[dict[str, Any] | None]:
    """Our verdicts in the same shape."""
    try:
        report: Any = medal_report(path, scores_path)
    except BoardError:
        return [None] * n_scores
    common = {key: report[key] for key in ("n_teams", "lower_is_better", "thresholds")}
    return [{**common, **{k: v for k, v in r.items() if k != "score"}} for r in report["results"]]


def compare_medals(grader: Any, folder: Path, board: str, scores: list[Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """One comparison per score."""
    path, scores_path = folder / "leaderboard.csv", folder / "scores.json"
    path.write_bytes(board.encode())
    scores_path.write_text(json.dumps(scores))
    for score, mine in zip(scores, our_medals(path, scores_path, len(scores)), strict=True):
        yield "medals", score, mine, their_medals(grader, path, score)


def their_rank(place: Callable[..., dict[str, Any]], folder: Path, score: Any, higher: bool) -> dict[str, Any] | None:
    """MLE-Dojo's own verdict, or None where it fails."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return place(None, score, folder, higher)
    except Exception:  # noqa: BLE001 - whatever a peer raises means that it fails
        return None


def compare_ranks(
    place: Callable[..., dict[str, Any]], folder: Path, boards: list[str], scores: list[Any], higher: bool
) -> Iterator[tuple[str, Any, Any, Any]]:
    """One comparison per score, with none, one or both boards present."""
    paths = [folder / "private_leaderboard.csv", folder / "public_leaderboard.csv"]
    for path, board in zip(paths, boards, strict=True):
        path.unlink(missing_ok=True)
        if board is not None:
            path.write_bytes(board.encode())
    scores_path = folder / "scores.json"
    scores_path.write_text(json.dumps(scores))
    direction = Direction.MAXIMIZE if higher else Direction.MINIMIZE
    report: Any = human_rank_report(paths[0], paths[1], direction, scores_path)
    for score, result in zip(scores, report["results"], strict=True):
        mine = None if "error" in result else {k: v for k, v in result.items() if k != "score"}
        yield "ranks", score, mine, their_rank(place, folder, score, higher)


def compare_cells(rng: random.Random, counts: Counter[str]) -> None:
    """Cells of a random text as our tokenizer and as pandas' split it."""
    pieces = ["1", "x", '"', ",", ",", "\n", "\r", "\r\n", " ", "\t", '""', "a,b\n", "\ufeff", "NA", "\u00e9", ".5"]
    text = "".join(rng.choices(pieces, k=rng.randint(1, 18))).encode()
    theirs: Any = None
    mine: Any = None
    with contextlib.suppress(Exception):
        frame = pandas.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False)
        theirs = (frame.shape, [[cell if isinstance(cell, str) else "" for cell in row] for row in frame.to_numpy()])
    with contextlib.suppress(BoardError):
        table = parse_board(text)
        mine = ((len(table.rows), len(table.header)), [list(row) for row in table.rows])
    counts["texts_compared"] += 1
    counts["texts_peer_failed"] += theirs is None
    counts["texts_different"] += mine != theirs


def load_peers(mlebench: Path, mledojo: Path) -> tuple[Any, Callable[..., dict[str, Any]]]:
    """The two functions under comparison, from the checkouts."""
    sys.path[:0] = [str(mlebench), str(mledojo)]
    from mlebench.grade_helpers import Grader
    from mledojo.gym.interface import CodeExecutionInterface

    grader = Grader(name="parity", grade_fn="math:fsum")
    return grader, CodeExecutionInterface._calculate_leaderboard_position


def main() -> int:
    """Run the comparison and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlebench", type=Path, required=True)
    parser.add_argument("--mledojo", type=Path, required=True)
    parser.add_argument("--boards", type=int, default=3000)
    parser.add_argument("--texts", type=int, default=20_000, help="how many random texts to split into cells")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=5, help="how many differences to print")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    grader, place = load_peers(options.mlebench, options.mledojo)
    rng = random.Random(options.rng_seed)
    counts: Counter[str] = Counter()
    makers = (plain_board, typed_board, typed_board, broken_board, broken_board, any_bytes)
    for _ in range(options.texts):
        compare_cells(rng, counts)
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.boards):
            board, other = rng.choice(makers)(rng), rng.choice(makers)(rng)
            scores = scores_for(rng, board)
            boards: list[Any] = rng.choice(([board, None], [None, board], [board, other], [board, board], [None, None]))
            results = [
                *compare_medals(grader, Path(name), board, scores),
                *compare_ranks(place, Path(name), boards, scores, bool(rng.randrange(2))),
            ]
            for kind, score, mine, theirs in results:
                counts[f"{kind}_compared"] += 1
                counts[f"{kind}_peer_failed"] += theirs is None
                if not same(mine, theirs):
                    counts[f"{kind}_different"] += 1
                    if counts[f"{kind}_different"] <= options.show:
                        shown = board if kind == "medals" else boards
                        print(
                            f"{kind}: score {str(score)[:40]}\n  board {str(shown)!r:.300}\n"
                            f"  ours {mine}\n  peer {theirs}",
                            file=sys.stderr,
                        )
    different = sum(counts[f"{kind}_different"] for kind in ("medals", "ranks", "texts"))
    print(json.dumps({"pandas": pandas.__version__, "boards": options.boards, **counts, "different": different}))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
