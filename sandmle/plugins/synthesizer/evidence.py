"""Measures a draft: second run, population scores, board, thresholds, bootstrap errors, leak probes."""

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.boards import SCORE_DECIMALS, medal_positions, medal_rule
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction, Thresholds
from sandmle.core.types.synthesis import Development, Evaluation, Evidence, Strategy
from sandmle.core.types.task import SubmissionFormat
from sandmle.plugins.synthesizer.cheats import Victim, play_cheats
from sandmle.plugins.synthesizer.files import ANSWERS, ORACLE, SAMPLE, DraftTables, most_bytes, read_tables, targets_of
from sandmle.plugins.synthesizer.population import POPULATION, submission_format
from sandmle.plugins.synthesizer.probes import probe
from sandmle.plugins.synthesizer.roles import BUILT_IN, DEVELOPER, evaluation_of, strategy_of
from sandmle.plugins.synthesizer.scratch import public_folder
from sandmle.plugins.synthesizer.scripts import hashes, run_generator
from sandmle.plugins.synthesizer.steadiness import HALVINGS, steadiness
from sandmle.plugins.synthesizer.tables import FaultError

NEAR_IDENTICAL: Final = 0.99
"""Two members that agree on a larger share of predictions count once."""
RESAMPLES: Final = 200
RUNGS: Final = 4
GAPS: Final = ("gold-silver", "silver-bronze", "bronze-median")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The population's board: members best first, and what their scores ask for a medal."""

    members: tuple[tuple[str, float], ...]
    """Name and score, not rounded."""
    leaderboard: bytes
    thresholds: Thresholds
    ladder: tuple[str, ...] = ()
    """Whose scores the thresholds are, from median to gold; empty where positions on the board say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of a draft."""

    standing: Standing
    evidence: Evidence


async def measure(
    dossier: Dossier, sandbox: Sandbox, grader: LocalGrader, timeout_s: float, *, by_ladder: bool = False
) -> Measured:
    """Measure a draft whose roles have all answered; `by_ladder` says where thresholds come from.

    Raises:
        FaultError: the population cannot be scored, or the script fails when run again.
        TaskError: the answers leave the metric undefined.
        InfrastructureError: the sandbox or the grader failed.
    """
    strategy, evaluation = strategy_of(dossier), evaluation_of(dossier)
    tables = read_tables(dossier.files, strategy.train_rows)
    form = submission_format(evaluation)
    entries = _entries(dossier, tables, form)
    names = list(entries)
    report = await grader.judge_draft(
        dossier.files[ANSWERS],
        form,
        strategy.metric,
        list(entries.values()),
        agreement=True,
        halvings=HALVINGS,
        rng_seed=dossier.rng_seed,
    )
    scores: dict[str, float] = {}
    for name, score in zip(names, report.scores, strict=True):
        if score.private is None or not math.isfinite(score.private):
            raise FaultError(f"{name} cannot be scored: {score.problem or score.private}")
        scores[name] = score.private
    kept, agreement = _distinct(
        [name for name in names if name not in ("sample-submission", "constant")], names, report.agreement
    )
    standing = _standing({name: scores[name] for name in kept}, METRICS[strategy.metric].direction)
    halves = {name: row for name, row in zip(names, report.halves, strict=True) if name in kept}
    at_thresholds = _at_positions(standing)
    if by_ladder:
        at_thresholds = _rungs(evaluation, kept)
        standing = replace(standing, thresholds=_scores_of(at_thresholds, scores), ladder=at_thresholds[::-1])
    errors = await _standard_errors(at_thresholds, entries, dossier, grader)
    victim = Victim(strategy=strategy, form=form, answers=dossier.files[ANSWERS], sample=dossier.files[SAMPLE])
    with public_folder(dossier.files) as public:
        cheats = await play_cheats(public, victim, sandbox, grader, timeout_s)
    evidence = Evidence(
        strategy=strategy,
        rerun_sha256=hashes(await _run_again(dossier, sandbox, timeout_s)),
        scores=scores,
        standard_errors=errors,
        agreement=agreement,
        halves=steadiness(halves, scores, METRICS[strategy.metric].direction),
        leak_probes=probe(tables, dossier.files, strategy),
        cheats=cheats,
        accepted=(),
        extra={name: answer for name, answer in dossier.answers.items() if name not in BUILT_IN},
    )
    return Measured(standing=standing, evidence=evidence)


async def _run_again(dossier: Dossier, sandbox: Sandbox, timeout_s: float) -> dict[str, bytes]:
    development = dossier.answers[DEVELOPER]
    assert isinstance(development, Development)
    most = most_bytes(strategy_of(dossier).train_rows)
    return await run_generator(sandbox, development.script, dossier.rng_seed, timeout_s, most)


def _entries(dossier: Dossier, tables: DraftTables, form: SubmissionFormat) -> dict[str, bytes]:
    """Everything that is scored, by name; the oracle first, so that it is never the one dropped as a copy."""
    solutions = [solution.name for solution in evaluation_of(dossier).solutions]
    return {
        "oracle": dossier.files[ORACLE],
        **{name: dossier.files[f"{POPULATION}{name}.csv"] for name in solutions},
        "sample-submission": dossier.files[SAMPLE],
        "constant": constant_submission(tables, form, strategy_of(dossier)),
    }


def constant_submission(tables: DraftTables, form: SubmissionFormat, strategy: Strategy) -> bytes:
    """The constant that train.csv alone says is best: majority, mean, median, or shares of classes and labels."""
    targets = [tables.train.column(name) for name in targets_of(strategy)]
    cells = (
        [_best_label(targets[0])]
        if form.prediction is Prediction.LABEL
        else [repr(value) for known in targets for value in _best_numbers(known, form, strategy.metric)]
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([form.id_column, *form.target_columns])
    writer.writerows([name, *cells] for name in tables.test.column(form.id_column))
    return text.getvalue().encode()


def _best_label(known: Sequence[str]) -> str:
    return max(sorted(set(known)), key=Counter(known).__getitem__)


def _best_numbers(known: Sequence[str], form: SubmissionFormat, metric: str) -> list[float]:
    if form.prediction is Prediction.PROBABILITY:
        shares = [known.count(label) / len(known) for label in form.classes]
        return shares if len(form.target_columns) > 1 else [shares[1]]
    values = sorted(float(cell) for cell in known)
    if metric in ("mae", "median_ae", "mape", "smape"):
        return [(values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2]
    if metric == "rmsle" and values[0] > -1:
        return [math.expm1(math.fsum(map(math.log1p, values)) / len(values))]
    return [math.fsum(values) / len(values)]


def _distinct(
    candidates: Sequence[str], names: Sequence[str], agreement: Sequence[Sequence[float | None]]
) -> tuple[list[str], float]:
    """Members left when near-identical ones are dropped (the earlier stays), and their largest agreement."""
    at = {name: number for number, name in enumerate(names)}
    kept: list[str] = []
    largest = 0.0
    for name in candidates:
        shared = max((agreement[at[name]][at[other]] or 0.0 for other in kept), default=0.0)
        if shared <= NEAR_IDENTICAL:
            kept.append(name)
            largest = max(largest, shared)
    return kept, largest


def _standing(scores: Mapping[str, float], direction: Direction) -> Standing:
    sign = -1 if direction is Direction.MAXIMIZE else 1
    members = sorted(scores.items(), key=lambda item: (sign * item[1], item[0]))
    lines = ["rank,score", *(f"{rank},{score:.{SCORE_DECIMALS}f}" for rank, (_, score) in enumerate(members, 1))]
    board = ("\n".join(lines) + "\n").encode()
    return Standing(
        members=tuple(members), leaderboard=board, thresholds=medal_rule(parse_board(board).column(1)).thresholds
    )


def _at_positions(standing: Standing) -> tuple[str, ...]:
    """The members that stand at the thresholds, from gold to median.

    The median of an even number of members lies between two; the worse of them stands for it, being the one
    that a submission at the median has certainly reached.
    """
    n_members = len(standing.members)
    places = [position - 1 for position in medal_positions(n_members)] + [n_members // 2]
    return tuple(standing.members[place][0] for place in places)


def _rungs(evaluation: Evaluation, kept: Sequence[str]) -> tuple[str, ...]:
    """The members of the ladder, from gold to median."""
    names = evaluation.ladder
    strangers = [name for name in names if name not in kept]
    if len(set(names)) != RUNGS or strangers:
        raise FaultError(
            f"ladder must name {RUNGS} different solutions of rising complexity that stand on the board, "
            f"not {list(names)}" + (f" (not there: {', '.join(strangers)})" if strangers else "")
        )
    return names[::-1]


def _scores_of(names: Sequence[str], scores: Mapping[str, float]) -> Thresholds:
    gold, silver, bronze, median = (round(scores[name], SCORE_DECIMALS) for name in names)
    return Thresholds(gold=gold, silver=silver, bronze=bronze, median=median)


async def _standard_errors(
    at_threshold: Sequence[str], entries: Mapping[str, bytes], dossier: Dossier, grader: LocalGrader
) -> dict[str, float]:
    """Paired bootstrap errors between the members that stand at neighbouring thresholds."""
    report = await grader.judge_draft(
        dossier.files[ANSWERS],
        submission_format(evaluation_of(dossier)),
        strategy_of(dossier).metric,
        [entries[name] for name in at_threshold],
        pairs=[(0, 1), (1, 2), (2, 3)],
        n_resamples=RESAMPLES,
        rng_seed=dossier.rng_seed,
    )
    return {
        gap: math.inf if error is None or math.isnan(error) else error
        for gap, error in zip(GAPS, report.standard_errors, strict=True)
    }
