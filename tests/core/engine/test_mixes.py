"""Mixes are met by what is accepted, whatever fails on the way, and do not depend on what happens later."""

import random
from collections import Counter

import pytest

from sandmle.core.engine.mixes import MIXES, PAPER_MODALITIES, PAPER_TASK_TYPES, SECTORS, Wishes
from sandmle.core.types.task import KnownModality, TaskType

LOOKBACK = 8


def played(mix: str, drafts: int, yields: dict[str, float] | None = None, difficulty: str = "") -> Wishes:
    """The wishes of that many drafts, of which a share of each modality's is accepted."""
    wishes, rng = Wishes(mix=MIXES[mix], difficulty=difficulty, lookback=LOOKBACK), random.Random(5)
    outcomes: list[bool] = []
    for index in range(drafts):
        wish = wishes.of(index, outcomes.__getitem__)
        outcomes.append(rng.random() < (yields or {}).get(wish.kind[0], 0.8))
    wishes.outcomes = outcomes  # type: ignore[attr-defined]
    return wishes


@pytest.mark.parametrize("mix", list(MIXES))
def test_shares_sum_to_one_and_kinds_are_known(mix: str) -> None:
    found = MIXES[mix]
    for table in (found.kinds, found.sectors, found.difficulties):
        assert sum(table.values()) == pytest.approx(1)
    assert {modality for modality, _ in found.kinds} <= set(KnownModality.__args__)
    assert {task_type for _, task_type in found.kinds} <= set(TaskType.__args__)


def test_the_papers_margins_are_the_papers() -> None:
    kinds = MIXES["paper"].kinds
    for modality, share in PAPER_MODALITIES.items():
        assert sum(value for (one, _), value in kinds.items() if one == modality) == pytest.approx(share)
    several = sum(value for (_, one), value in kinds.items() if one in ("forecasting", "reconstruction"))
    assert several == pytest.approx(PAPER_TASK_TYPES["forecasting and reconstruction"])
    assert sum(value for (_, one), value in kinds.items() if one == "ranking") == pytest.approx(0.03)


def test_what_is_accepted_meets_the_mix_though_kinds_fail_unevenly() -> None:
    wishes = played("paper", 900, {"image": 0.5, "tabular": 0.95, "audio": 0.3})
    made = [wishes.of(at, lambda _: True) for at in range(900)]
    accepted = [one for one, became in zip(made, wishes.outcomes, strict=True) if became]  # type: ignore[attr-defined]
    for shares, counted in (
        (MIXES["paper"].kinds, Counter(one.kind for one in accepted)),
        (SECTORS, Counter(one.sector for one in accepted)),
        (MIXES["paper"].difficulties, Counter(one.difficulty for one in accepted)),
    ):
        for name, share in shares.items():
            assert abs(counted[name] / len(accepted) - share) < 0.02


def test_a_wish_rests_on_drafts_that_are_old_enough_alone() -> None:
    asked: list[int] = []

    def accepted(index: int) -> bool:
        asked.append(index)
        return index % 3 > 0

    wishes = Wishes(mix=MIXES["even"], lookback=LOOKBACK)
    for index in range(40):
        wishes.of(index, accepted)
        assert max(asked, default=-1) <= max(-1, index - LOOKBACK)


def test_wishes_are_the_same_asked_one_by_one_or_after_a_pause() -> None:
    def accepted(index: int) -> bool:
        return index % 3 > 0

    wishes, later = (Wishes(mix=MIXES["paper"], lookback=LOOKBACK) for _ in range(2))
    one_by_one = [wishes.of(index, accepted) for index in range(60)]
    assert later.of(59, accepted) == one_by_one[59]
    assert [later.of(index, accepted) for index in range(60)] == one_by_one


def test_a_small_corpus_has_every_modality() -> None:
    made = Wishes(mix=MIXES["even"], lookback=LOOKBACK)
    first = [made.of(index, lambda _: True).kind[0] for index in range(7)]
    assert sorted(first) == sorted(MIXES["even"].modalities)


def test_kinds_take_turns_among_their_seeds_and_a_difficulty_holds_for_all() -> None:
    wishes = played("even", 200, difficulty="hard")
    made = [wishes.of(at, lambda _: True) for at in range(200)]
    assert {one.difficulty for one in made} == {"hard"}
    for kind in MIXES["even"].kinds:
        turns = [one.turn for one in made if one.kind == kind]
        assert turns == list(range(len(turns)))
        assert turns
