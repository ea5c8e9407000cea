"""Parting and demonstrating tasks, and what matrices of several seeds say together."""

from collections import Counter

import pytest
import tomli_w

from sandmle.core.engine.matrix import cell_dir
from sandmle.core.engine.store import open_store
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Usage
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
from sandmle.core.types.trajectory import FeedbackMode, StopReason, Trajectory

FAMILIES = {"a": "rings", "b": "rings", "c": "dates", "d": "dates", "e": "dates", "f": "alone"}


def episode(task_id, slot, rank, scaffold):
    grade = Grade(
        valid=True, score=0.3, public_score=0.3, medal=Medal.NONE, above_median=False, human_rank=rank, problem=None
    )
    return Episode(
        episode_id=f"{task_id}/{slot}",
        task_id=task_id,
        slot=slot,
        outcome=Outcome.SCORED,
        stop_reason=StopReason.FINISHED,
        model="m",
        scaffold=scaffold,
        sandbox="process",
        level=IsolationLevel.L3,
        feedback=FeedbackMode.VALIDATE_ONLY,
        policy_version=0,
        trajectory=Trajectory(segments=(), steps=()),
        grade=grade,
        thresholds=Thresholds(gold=0.1, silver=0.2, bronze=0.25, median=0.5),
        direction=Direction.MINIMIZE,
        reward=None,
        usage=Usage(),
        timings=Timings(),
        attempts=1,
        failure=None,
        started_at="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def matrix_of(tmp_path):
    """A matrix of two policies under two scaffolds; `gain` is what GRPO adds to HumanRank, by scaffold."""

    def make(name, gain, *, scaffolds=("react", "codeact")):
        root = tmp_path / name
        root.mkdir()
        lessons = [{"method": "sft", "scaffolds": list(scaffolds)}, {"method": "grpo", "scaffolds": ["react"]}]
        models = [
            {"name": "sft", "model": "local/sft", "lessons": lessons[:1]},
            {"name": "grpo", "model": "local/grpo", "lessons": lessons},
        ]
        families = {"a": "rings", "b": "rings", "c": "dates"}
        record = {"models": models, "scaffolds": list(scaffolds), "group_size": 2, "families": families}
        (root / "matrix.toml").write_text(tomli_w.dumps(record))
        for scaffold in scaffolds:
            for model in ("sft", "grpo"):
                more = gain[scaffold] if model == "grpo" else 0.0
                with open_store(cell_dir(root, model, scaffold), {"run": {}}) as store:
                    for number, task in enumerate(families):
                        for slot in range(2):
                            store.add_episode(episode(task, slot, 0.2 + number / 10 + more, scaffold))
        return root

    return make


def test_no_family_is_measured_that_is_not_trained_on():
    from generalization_parts.parting import part

    for seed in range(20):
        train, measured = part(FAMILIES, 3, seed)
        assert (len(train), len(measured), set(train) & set(measured)) == (3, 3, set())
        assert {FAMILIES[task] for task in measured} <= {FAMILIES[task] for task in train}
    assert part(FAMILIES, 3, 4) == part(FAMILIES, 3, 4)
    with pytest.raises(ValueError, match="only 3 of 6 tasks share a family"):
        part(FAMILIES, 4, 0)


def test_every_task_is_demonstrated_under_the_trained_scaffold_and_the_others_take_turns():
    from generalization_parts.parting import demonstrated

    tasks = [str(number) for number in range(9)]
    found = demonstrated(tasks, "react", ["codeact", "aide", "aira"])
    assert found.pop("react") == tasks
    assert Counter(task for under in found.values() for task in under) == dict.fromkeys(tasks, 2)
    assert {name: len(under) for name, under in found.items()} == {"codeact": 6, "aide": 6, "aira": 6}
    assert demonstrated(tasks[:1], "react", []) == {"react": ["0"]}
    assert demonstrated(tasks[:1], "react", ["a", "b", "c"]) == {"react": ["0"], "a": ["0"], "b": ["0"]}


def test_it_is_said_where_a_gain_travels_and_where_not(matrix_of):
    from generalization_parts.travel import as_json, journeys, table

    seeds = [matrix_of("one", {"react": 0.2, "codeact": 0.0}), matrix_of("two", {"react": 0.1, "codeact": 0.0})]
    react, codeact = found = journeys(seeds)
    assert react.gains["human_rank"].difference.mean == pytest.approx(0.15)
    assert react.gains["human_rank"].difference.tasks == 6
    assert react.gains["human_rank"].relative.mean == pytest.approx(0.5)
    assert react.per_seed == pytest.approx((0.2, 0.1))
    assert "react (trained under): HumanRank +0.150" in react.said
    assert react.said.endswith("the gain is there")
    assert codeact.said.endswith("it does not travel, as far as can be told")
    assert as_json(codeact)["in_grpo"] is False
    assert "| react (trained under) |" in table(found)


def test_what_travels_and_what_gets_worse_is_said_too(matrix_of):
    from generalization_parts.travel import journeys

    [_, better] = journeys([matrix_of("one", {"react": 0.1, "codeact": 0.1})])
    assert better.said.endswith(": it travels")
    [worse, there] = journeys([matrix_of("two", {"react": -0.1, "codeact": -0.1})])
    assert worse.said.endswith("the policy got worse")
    assert there.said.endswith("it does not travel: the policy got worse here")


def test_matrices_of_other_scaffolds_are_not_put_together(matrix_of):
    from generalization_parts.travel import journeys

    gain = {"react": 0.1, "codeact": 0.1}
    with pytest.raises(ValueError, match="the same scaffolds"):
        journeys([matrix_of("one", gain), matrix_of("two", gain, scaffolds=("react",))])
