"""How a program is chosen from the table: by chance, by what runs, or by what a careful reader would take. Pure."""

import random
from collections.abc import Sequence
from typing import Final

from sandmle.core.types.metrics import METRICS
from sandmle.plugins.llms.offline.demonstrator.grid import asked_output
from sandmle.plugins.llms.offline.demonstrator.look import Seen
from sandmle.plugins.llms.offline.demonstrator.programs import FEATURES, FILLS, MODELS, OUTPUTS, SETTINGS, Program

FITTING_SHARE: Final = 0.7
"""How often a demonstration draws among options that fit what was seen, and not among all. Fixed: a policy that
learns from demonstrations must gain by what it learns, and not because they were made worse."""
PROMISING: Final = 3
"""Representations at the head of the look's list that fit what was seen."""


def uniform_program(rng: random.Random) -> Program:
    """Any program of the table, all alike."""
    return _draw(rng, tuple(FEATURES), tuple(FILLS), tuple(MODELS), tuple(OUTPUTS))


def running_program(rng: random.Random, seen: Seen) -> Program:
    """Any program that the look lets expect to run, whether it is any good or not."""
    return _draw(rng, seen.features, _fills(seen), tuple(MODELS), _outputs(seen))


def demonstrated_program(rng: random.Random, seen: Seen) -> Program:
    """What is demonstrated: part by part, with `FITTING_SHARE` what fits, else anything; any setting."""
    return _draw(
        rng,
        _fitting(rng, _by_rank(seen.features[:PROMISING]), tuple(FEATURES)),
        _fitting(rng, _fills(seen), tuple(FILLS)),
        _fitting(rng, _by_rank(seen.models), tuple(MODELS)),
        _fitting(rng, _outputs(seen), tuple(OUTPUTS)),
    )


def careful_program(seen: Seen, metric: str, tried: int) -> Program:
    """What a careful reader takes: the first of each list, and the output that the metric asks for.

    Args:
        seen: the look.
        metric: a catalogue name, or empty when the description names none.
        tried: programs that came to nothing before; each takes the next model of the list.
    """
    return Program(
        features=seen.features[0],
        fill=_fills(seen)[-1],
        model=seen.models[tried % len(seen.models)],
        setting="a",
        output=_asked_for(seen, metric),
    )


def _draw(
    rng: random.Random,
    features: Sequence[str],
    fills: Sequence[str],
    models: Sequence[str],
    outputs: Sequence[str],
) -> Program:
    return Program(
        features=rng.choice(list(features)),
        fill=rng.choice(list(fills)),
        model=rng.choice(list(models)),
        setting=rng.choice(SETTINGS),
        output=rng.choice(list(outputs)),
    )


def _fitting(rng: random.Random, options: tuple[str, ...], everything: tuple[str, ...]) -> tuple[str, ...]:
    return options if rng.random() < FITTING_SHARE else everything


def _by_rank(names: Sequence[str]) -> tuple[str, ...]:
    """Of three names the first three times, the second twice, the third once."""
    return tuple(name for place, name in enumerate(names) for _ in range(len(names) - place))


def _fills(seen: Seen) -> tuple[str, ...]:
    return ("median",) if seen.gaps else tuple(FILLS)


def _outputs(seen: Seen) -> tuple[str, ...]:
    wanted = "values" if seen.values else "classes"
    return tuple(name for name, output in OUTPUTS.items() if output.task_type == wanted)


def _asked_for(seen: Seen, metric: str) -> str:
    return asked_output(metric) if metric in METRICS else _outputs(seen)[0]
