"""Whether the engine that writes rollouts uses the very weights that are trained. Knows no engine, no tensor library.

Fixed questions are asked of the engine; the trainer computes the log-probs of the same answers with its own weights.
Where both differ, the numbers are held against what known mistakes would give (`Suspect`), so that the message names
the cause.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Protocol

from sandmle.core.errors import PluginError

QUESTIONS: Final = ("What is this?", "Count to ten.", "Name a colour.", "def f(x):")
"""Asked at every sync, so that an engine that keeps old keys and values is found out by them."""
FRESH: Final = 3
"""As many questions that were never asked before. They are long, so that little of them is known from another: the
first tokens of a conversation are always the same."""
TOKENS: Final = 12
"""Of each answer."""

TOLERANCE: Final[Mapping[str, float]] = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1}
"""Nats per token, the mean over an answer. Engine and trainer sum in different orders: float32 then differs by about
1e-6. A logit of size 16 is rounded by up to 1/32 in bfloat16 (8 bits) and by 1/256 in float16 (11 bits), and many
roundings come before it; means over a dozen tokens stay within the figures here."""
ONE_TOKEN: Final = 10.0
"""A single token may be this many tolerances away."""
FLOOR: Final[Mapping[str, float]] = {"float32": 5e-5, "float16": 0.01, "bfloat16": 0.05}
"""Root mean square in nats by which a suspect must differ from the trained weights to be told from rounding."""
SHARE: Final = 0.5
"""An engine this far on the way from the trained weights to a suspect is held to be that suspect."""
SURE: Final = 5.0
"""Standard errors that such a share must be away from 0."""
EXPLAINED: Final = 0.2
"""A suspect is the cause when it leaves at most this part of the difference."""
NEARER: Final = 0.4
"""Old keys and values are the cause when new questions are answered this much nearer to the trainer than known ones.
In trials with a cache that forgot nothing it was .15 to .27."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question and what the engine answered, in its own ids."""

    prompt_ids: tuple[int, ...]
    sampled_ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    """One per sampled id, of the distribution it was sampled from, by the engine."""


Scorer = Callable[[Sequence[Probe]], Sequence[Sequence[float]]]
"""Log-probs of each probe's sampled ids, computed by the trainer."""


class Engine(Protocol):
    """Whatever writes rollouts: a model in this process, vLLM behind Ray, a server."""

    async def answer(self, question: str, tokens: int, sample_index: int) -> Probe:
        """Sample an answer of at most `tokens` tokens; the same call samples the same answer from the same weights."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One known mistake, and the log-probs it would lead to."""

    cause: str
    """What the engine does then: `it generates with ...`."""
    score: Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What came of one look."""

    gap: float
    """Nats per token between engine and trainer, the mean of all."""
    worst: float
    """The largest of one token."""
    tokens: int
    tolerance: float
    cause: str | None
    """None when engine and trainer agree; else what is wrong, in words."""

    def require(self, engine: str) -> float:
        """The largest difference.

        Args:
            engine: how the engine is called in the message.

        Raises:
            PluginError: engine and trainer disagree; the message names the cause.
        """
        if self.cause is None:
            return self.worst
        raise PluginError(f"policy-sync canary: {self.words(engine)}")

    def words(self, engine: str) -> str:
        """The finding as a sentence."""
        told = f"log-probs of {engine} are {self.gap:.3g} nats per token (at most {self.worst:.3g}) from the trainer's"
        if self.cause is None:
            return f"{told}, over {self.tokens} tokens; {self.tolerance:g} is allowed"
        return f"{told}: {self.cause}"


STALE: Final = (
    "it generates with the weights before the last update: what was trained since was not sent to it, or it did not "
    "take it; send the weights, or call weights_changed(), after every update"
)
CACHED: Final = (
    "it answers questions that it has met before from keys and values of older weights, and new ones rightly: its "
    "cache of keys and values (prefix cache) is not emptied when weights change; reset it at every sync"
)
NO_NUMBERS: Final = "they are no finite numbers; the weights of one of both hold NaN or infinity"
UNKNOWN: Final = (
    "it generates with other weights than those that are trained, and none of the known mistakes explains the numbers "
    "({suspects}); look at which tensors are sent, under which names and in which dtype"
)


class SyncCanary:
    """The looks of one training at one engine; remembers the last one."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype if dtype in TOLERANCE else "float32"
        self._looks = 0
        self._before: dict[tuple[tuple[int, ...], tuple[int, ...]], Sequence[float]] = {}

    async def look(self, engine: Engine, score: Scorer, suspects: Sequence[Suspect] = ()) -> SyncReport:
        """Ask the engine, compute the same with the trainer, compare.

        Raises:
            InfrastructureError: the engine failed.
        """
        self._looks += 1
        asked = [*QUESTIONS, *(_fresh(self._looks * FRESH + number) for number in range(FRESH))]
        probes = await asyncio.gather(*[engine.answer(one, TOKENS, number) for number, one in enumerate(asked)])
        return self.judge(probes, score, suspects)

    def judge(self, probes: Sequence[Probe], score: Scorer, suspects: Sequence[Suspect] = ()) -> SyncReport:
        """Compare. The last `FRESH` probes are of questions that were never asked before; the others may be."""
        now = score(probes)
        # What the trainer computed for the same answers at the last look: an engine of old weights repeats itself.
        before = [self._before.get(_key(probe)) for probe in probes]
        self._before = {_key(probe): tuple(ours) for probe, ours in zip(probes, now, strict=True)}
        tolerance = TOLERANCE[self._dtype]
        apart = [_differences(probe.log_probs, ours) for probe, ours in zip(probes, now, strict=True)]
        every = [one for row in apart for one in row]
        if not all(map(math.isfinite, every)):
            return SyncReport(gap=math.nan, worst=math.nan, tokens=len(every), tolerance=tolerance, cause=NO_NUMBERS)
        means = [_mean_size(row) for row in apart]
        far = max(means) > tolerance or max(map(abs, every)) > ONE_TOKEN * tolerance
        cause = None
        # Nearer than this, nothing below could be told from rounding.
        if far or max(means) > SHARE * FLOOR[self._dtype] / 2:
            known = [(STALE, before)] if any(before) else []
            computed = [(one.cause, one.score(probes)) for one in suspects]
            cause = self._cause(probes, now, [*known, *computed], means, far=far)
        return SyncReport(
            gap=_mean_size(every),
            worst=max(map(abs, every)),
            tokens=len(every),
            tolerance=tolerance,
            cause=cause,
        )

    def _cause(
        self,
        probes: Sequence[Probe],
        now: Sequence[Sequence[float]],
        suspects: Sequence[tuple[str, Sequence[Sequence[float] | None]]],
        means: Sequence[float],
        *,
        far: bool,
    ) -> str | None:
        left = []
        for cause, theirs in suspects:
            rows = [(probe.log_probs, a, b) for probe, a, b in zip(probes, now, theirs, strict=True) if b is not None]
            engine, ours, suspect = ([one for row in column for one in row] for column in zip(*rows, strict=True))
            if all(map(math.isfinite, suspect)) and self._is_there(engine, ours, suspect):
                unexplained = _mean_size(_differences(engine, suspect))
                left.append((unexplained / _mean_size(_differences(engine, ours)), cause))
        if left:
            least, cause = min(left)
            if not far or least <= EXPLAINED:
                return cause
        if not far:
            return None
        if fmean(means[-FRESH:]) <= NEARER * fmean(means[:-FRESH]):
            return CACHED
        return UNKNOWN.format(suspects=f"{len(suspects)} tried")

    def _is_there(self, engine: Sequence[float], ours: Sequence[float], theirs: Sequence[float]) -> bool:
        """Whether the engine stands where the suspect does, by least squares on the way from us to it."""
        way = _differences(theirs, ours)
        gone = _differences(engine, ours)
        length = math.fsum(one * one for one in way)
        if not length > FLOOR[self._dtype] ** 2 * len(way):
            return False
        share = math.fsum(a * b for a, b in zip(gone, way, strict=True)) / length
        rest = math.fsum((a - share * b) ** 2 for a, b in zip(gone, way, strict=True))
        error = math.sqrt(rest / max(1, len(way) - 1) / length)
        return share >= SHARE and share >= SURE * error


def _fresh(number: int) -> str:
    """A question of nothing but digits, which begins with its number."""
    return f"{number}: {7919 ** (number % 97 + 9) % 10**32}?"


def _key(probe: Probe) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return probe.prompt_ids, probe.sampled_ids


def _differences(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _mean_size(values: Sequence[float]) -> float:
    return fmean(map(abs, values))
