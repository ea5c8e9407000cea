"""Lost samples and covered squares: who knows the rule restores them, who knows half of it restores less."""

from random import Random
from typing import Any

import numpy as np
import pytest

from sandmle.plugins.llms.offline.roles.domain_industry import INDUSTRY
from sandmle.plugins.llms.offline.roles.families.catalogue import FAMILIES
from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level
from sandmle.plugins.llms.offline.roles.families.lost import LOST
from sandmle.plugins.llms.offline.roles.families.rings import RINGS
from sandmle.plugins.llms.offline.roles.noise import fitting

ROWS = 60


def left_over(family: Family, params: dict[str, Any], level: Level) -> float:
    """The part of the variance of `hidden` that a straight line through the features leaves, value by value."""
    names: dict[str, Any] = {"np": np, "rng": np.random.default_rng(3), "ROWS": ROWS}
    exec(family.script(params), names)
    names["pixels"] = names.get("images")
    exec(family.features(params, level), names)
    kept = [np.corrcoef(told, hidden)[0, 1] ** 2 for told, hidden in zip(names["X"].T, names["hidden"].T, strict=True)]
    return 1 - float(np.mean(kept))


@pytest.mark.parametrize("family", [*RINGS, *LOST], ids=lambda family: family.name)
@pytest.mark.parametrize("seed", range(4))
def test_the_rule_restores_nearly_all_and_half_of_it_less(family: Family, seed: int) -> None:
    ask = Ask(domain=INDUSTRY[0], numbers=5, classes=0, image_size=(12, 14, 16, 12)[seed])
    params = family.draw(Random(seed), ask)
    whole, half = left_over(family, params, "full"), left_over(family, params, "partial")
    assert whole < 0.15
    assert whole < half < 0.9


def test_sounds_with_lost_samples_are_spoilt_in_several_ways() -> None:
    restored = [family for family in FAMILIES if family.modality == "audio" and family.plays("reconstruction")]
    assert len(restored) >= 3
    for family in restored:
        assert {"mains-hum", "clicks", "overdrive"} <= {one.name for one in fitting(family, "reconstruction")}
