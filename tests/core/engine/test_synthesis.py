import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy
import pytest
from pydantic import BaseModel

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.ledger import read_ledger
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.synthesis import (
    LOOKBACK,
    Assignment,
    DraftOutcome,
    SynthesisResult,
    derive_rng_seed,
    recorded_settings,
    synthesize,
)
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError, RunError, SandboxError, UsageError
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.events import DraftFinished
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.message import ModelReply, Usage
from sandmle.core.types.synthesis import Seed, TaskDraft, TaskProblem
from sandmle.core.types.task import TaskSpec

SEED = Seed(
    seed_id="s0", title="Seed", modality="tabular", task_type="regression", metric="rmse", dna={"rows": 9}, source="-"
)


class Seeds:
    def __init__(self, count: int) -> None:
        self._count = count

    def seeds(self) -> Sequence[Seed]:
        return [replace(SEED, seed_id=f"s{number}") for number in range(self._count)]


def make_toolkit(workers: int = 2, seeds: int = 3, **synthesis: object) -> Toolkit:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    spec: Spec[Seeds] = Spec(name="builtin", summary="seeds", make=lambda config: Seeds(seeds))
    entry = Registered(kind=Kind.SEEDS, spec=spec, source="tests")
    plugins = Plugins(manager=manager, registry=Registry({(Kind.SEEDS, "builtin"): entry}))
    return Toolkit(plugins=plugins, settings=Settings.model_validate({"synthesis": {"workers": workers, **synthesis}}))


def make_draft(assignment: Assignment, accepted: tuple[TaskSpec, ...]) -> TaskDraft:
    """A task whose bytes tell everything that the draft was allowed to know."""
    known = f"{assignment.rng_seed} {assignment.titles} {[other.task_id for other in accepted]}"
    made = copying_draft(f"task-{assignment.index}", description=known)
    whence = {
        "rng_seed": assignment.corpus_rng_seed,
        "index": assignment.index,
        "seed_id": assignment.seed.seed_id,
    }
    changes = {
        "title": f"Task {assignment.index}",
        "provenance": made.spec.provenance.model_copy(update=whence),
    }
    return replace(made, spec=made.spec.model_copy(update=changes))


class Drafter:
    """Accepts drafts whose index is not a multiple of three, after a wait that differs from draft to draft."""

    def __init__(self, act: Callable[[Assignment], None] = lambda assignment: None, jitter: int = 0) -> None:
        self._act = act
        self._random = random.Random(jitter)
        self.at_once = 0
        self.most_at_once = 0

    async def draft(self, assignment: Assignment) -> DraftOutcome:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for _ in range(self._random.randrange(8)):
                await asyncio.sleep(0)
            self._act(assignment)
        finally:
            self.at_once -= 1
        if assignment.index % 3 == 0:
            return DraftOutcome(tries={"role": 3}, problem=TaskProblem(check="role:x", message="no"))
        accepted = await assignment.accepted_before()
        return DraftOutcome(tries={"role": 1}, task=make_draft(assignment, accepted))


async def make(out: Path, drafter: Drafter, wanted: int = 10, **options: object) -> SynthesisResult:
    toolkit = make_toolkit(**options)  # type: ignore[arg-type]
    return await synthesize(toolkit, drafter, out=out, wanted=wanted, rng_seed=7)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


async def test_the_corpus_does_not_depend_on_workers_or_timing(tmp_path: Path) -> None:
    results = []
    for workers, jitter in ((1, 0), (2, 1), (5, 2), (20, 3)):
        out = tmp_path / f"{workers}"
        result = await make(out, Drafter(jitter=jitter), wanted=24, workers=workers)
        assert result.complete
        results.append(contents(out))
    assert all(one == results[0] for one in results)


async def test_a_draft_is_told_the_titles_of_its_seed_that_are_old_enough(tmp_path: Path) -> None:
    await make(tmp_path, Drafter(), wanted=16, seeds=1)
    lines = [line for line in read_ledger(tmp_path) if line.task_id]
    last = lines[-1]
    old = [f"Task {line.index}" for line in lines if line.index <= last.index - LOOKBACK]
    told = (tmp_path / str(last.task_id) / "description.md").read_text()
    assert old
    assert str(tuple(old)) in told
    assert str([line.task_id for line in lines[:-1]]) in told


async def test_no_more_drafts_are_worked_on_at_once_than_there_are_workers(tmp_path: Path) -> None:
    drafter = Drafter(jitter=1)
    await make(tmp_path, drafter, wanted=12, workers=3)
    assert drafter.most_at_once == 3


async def test_a_larger_corpus_goes_on_where_a_smaller_one_ended(tmp_path: Path) -> None:
    await make(tmp_path / "A", Drafter(), wanted=5)
    await make(tmp_path / "A", Drafter(jitter=4), wanted=11, workers=4)
    await make(tmp_path / "B", Drafter(), wanted=11)
    assert contents(tmp_path / "A") == contents(tmp_path / "B")


async def test_a_full_corpus_asks_for_no_draft(tmp_path: Path) -> None:
    await make(tmp_path, Drafter(), wanted=3)

    def never(assignment: Assignment) -> None:
        raise AssertionError("a draft was begun")

    assert (await make(tmp_path, Drafter(never), wanted=3)).complete


async def test_it_gives_up_when_too_many_drafts_were_rejected_and_keeps_what_it_has(tmp_path: Path) -> None:
    class Refuser(Drafter):
        async def draft(self, assignment: Assignment) -> DraftOutcome:
            if assignment.index == 1:
                return await super().draft(assignment)
            return DraftOutcome(tries={}, problem=TaskProblem(check="leak-probe", message="leaks"))

    result = await make(tmp_path, Refuser(), wanted=4, max_drafts_per_task=3)
    assert not result.complete
    assert not result.drained
    assert (result.drafts, len(result.tasks), dict(result.rejections)) == (12, 1, {"leak-probe": 11})


async def test_an_infrastructure_failure_is_tried_again_and_never_counted(tmp_path: Path) -> None:
    failed: list[int] = []

    def fail_twice(assignment: Assignment) -> None:
        if assignment.index == 2 and failed.count(2) < 2:
            failed.append(2)
            raise SandboxError("the zygote is gone")

    result = await make(tmp_path / "A", Drafter(fail_twice))
    await make(tmp_path / "B", Drafter())
    assert failed == [2, 2]
    assert set(result.rejections) == {"role:x"}
    assert contents(tmp_path / "A") == contents(tmp_path / "B")


async def test_an_infrastructure_failure_that_stays_ends_the_synthesis_and_keeps_the_tasks(tmp_path: Path) -> None:
    def fail(assignment: Assignment) -> None:
        if assignment.index == 4:
            raise SandboxError("the zygote is gone")

    with pytest.raises(SandboxError):
        await make(tmp_path / "A", Drafter(fail))
    assert [line.index for line in read_ledger(tmp_path / "A")] == [0, 1, 2, 3]
    await make(tmp_path / "A", Drafter())
    await make(tmp_path / "B", Drafter())
    assert contents(tmp_path / "A") == contents(tmp_path / "B")


async def test_a_drain_finishes_what_is_under_way_and_begins_nothing(tmp_path: Path) -> None:
    drain = asyncio.Event()
    seen: list[int] = []

    def watch(assignment: Assignment) -> None:
        seen.append(assignment.index)
        if assignment.index == 2:
            drain.set()

    result = await synthesize(make_toolkit(workers=1), Drafter(watch), out=tmp_path, wanted=10, rng_seed=7, drain=drain)
    assert result.drained
    assert not result.complete
    assert seen == [0, 1, 2]
    assert [line.index for line in read_ledger(tmp_path)] == [0, 1, 2]


async def test_cancelling_ends_every_draft_under_way(tmp_path: Path) -> None:
    drafter = Drafter()
    hanging = asyncio.Event()

    class Hanging(Drafter):
        async def draft(self, assignment: Assignment) -> DraftOutcome:
            drafter.at_once += 1
            try:
                if drafter.at_once == 2:
                    hanging.set()
                await asyncio.Event().wait()
            finally:
                drafter.at_once -= 1
            raise AssertionError

    work = asyncio.create_task(make(tmp_path, Hanging()))
    await hanging.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert drafter.at_once == 0


async def test_what_went_wrong_first_is_said_and_not_what_it_ended(tmp_path: Path) -> None:
    class Failing(Drafter):
        async def draft(self, assignment: Assignment) -> DraftOutcome:
            if assignment.index == 0:
                # The other draft is under way by then.
                await asyncio.sleep(0.01)
                raise PluginError("the first")
            try:
                await asyncio.Event().wait()
            finally:
                raise PluginError("of being ended")

    with pytest.raises(PluginError, match="the first"):
        await make(tmp_path, Failing())


async def test_other_settings_are_refused_but_workers_may_change(tmp_path: Path) -> None:
    await make(tmp_path, Drafter(), wanted=2, workers=1)
    await make(tmp_path, Drafter(), wanted=3, workers=4, max_drafts_per_task=20)
    with pytest.raises(RunError, match=r"synthesis\.tries: was 3, is 4"):
        await make(tmp_path, Drafter(), wanted=3, tries=4)


async def test_every_committed_draft_is_announced_in_order(tmp_path: Path) -> None:
    events: list[DraftFinished] = []
    await synthesize(make_toolkit(), Drafter(jitter=5), out=tmp_path, wanted=4, rng_seed=7, on_event=events.append)
    assert [event.index for event in events] == [0, 1, 2, 3, 4, 5]
    assert [event.accepted for event in events] == [0, 1, 2, 2, 3, 4]
    assert events[0].check == "role:x"
    assert events[1].task_id == "task-1"


async def test_without_seeds_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no seeds"):
        await make(tmp_path, Drafter(), seeds=0)


async def test_only_the_named_seeds_are_amplified_and_a_wrong_name_says_so(tmp_path: Path) -> None:
    seen: list[str] = []
    await make(tmp_path / "a", Drafter(lambda assignment: seen.append(assignment.seed.seed_id)), 3, seed_ids=("s1",))
    assert set(seen) == {"s1"}
    with pytest.raises(UsageError, match="no seed 'S1'"):
        await make(tmp_path / "b", Drafter(), 3, seed_ids=("S1",))


async def test_a_restriction_is_part_of_what_a_corpus_is(tmp_path: Path) -> None:
    assert "families" not in recorded_settings(make_toolkit(), 0)["synthesis"]
    assert recorded_settings(make_toolkit(families=("a",)), 0)["synthesis"]["families"] == ["a"]


def test_streams_differ_by_corpus_index_and_purpose() -> None:
    seeds = {derive_rng_seed(corpus, index, *rest) for corpus in (7, 8) for index in (0, 1) for rest in ((), ("id",))}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_rng_seed(7, 0) == 2063577323


async def make_and_die(out: Path, deaths: int) -> None:
    """Make a corpus, and die of SIGKILL while the draft after the next commit is worked on."""
    done = len(read_ledger(out)) if out.exists() else 0

    def die(assignment: Assignment) -> None:
        if assignment.index == done + deaths:
            os.kill(os.getpid(), signal.SIGKILL)

    await make(out, Drafter(die), wanted=10)


def test_killed_again_and_again_it_ends_with_the_same_corpus(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, runpy, sys\n"
        "names = runpy.run_path(sys.argv[1])\n"
        "asyncio.run(names['make_and_die'](pathlib.Path(sys.argv[2]), int(sys.argv[3])))\n"
    )
    out = tmp_path / "A"
    for deaths in (4, 5, 3):
        done = subprocess.run([sys.executable, "-c", code, __file__, str(out), str(deaths)], check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL
    asyncio.run(make(out, Drafter(), wanted=10))
    asyncio.run(make(tmp_path / "B", Drafter(), wanted=10))
    assert contents(out) == contents(tmp_path / "B")


class Spender(Drafter):
    """Asks one role once per draft, ten tokens each."""

    async def draft(self, assignment: Assignment) -> DraftOutcome:
        assignment.budget.check("technical-writer")
        used = Usage(completion_tokens=10)
        assignment.budget.charge("technical-writer", assignment.index, ModelReply(text="x", usage=used))
        return await super().draft(assignment)


def capped(out: Path, drafter: Drafter, wanted: int = 10, **budget: object) -> Coroutine[Any, Any, SynthesisResult]:
    toolkit = make_toolkit(workers=1)
    settings = Settings.model_validate({**toolkit.settings.model_dump(), "budget": budget})
    return synthesize(Toolkit(plugins=toolkit.plugins, settings=settings), drafter, out=out, wanted=wanted, rng_seed=7)


async def test_a_cap_stops_it_with_what_it_has_and_raised_it_goes_on_to_the_same_corpus(tmp_path: Path) -> None:
    stopped = await capped(tmp_path / "A", Spender(), role_tokens={"technical-writer": 40})
    assert (stopped.complete, stopped.drained) == (False, False)
    assert "the budget of role technical-writer is used up: 40 of 40 tokens" in str(stopped.used_up)
    assert [line.index for line in read_ledger(tmp_path / "A")] == [0, 1, 2, 3]
    again = await capped(tmp_path / "A", Spender(), role_tokens={"technical-writer": 40})
    assert (again.drafts, again.spent) == (4, stopped.spent)
    done = await capped(tmp_path / "A", Spender(), synth_tokens=10_000)
    assert (done.complete, done.used_up) == (True, None)
    # Drafts that were begun and not needed have spent, too.
    assert done.spent_by_role["technical-writer"].completion_tokens >= 10 * done.drafts
    await capped(tmp_path / "B", Spender())
    assert contents(tmp_path / "A") == contents(tmp_path / "B")


async def test_when_its_time_is_over_it_stops_though_a_draft_hangs(tmp_path: Path) -> None:
    class Hanging(Drafter):
        async def draft(self, assignment: Assignment) -> DraftOutcome:
            if assignment.index == 2:
                await asyncio.Event().wait()
            return await super().draft(assignment)

    stopped = await capped(tmp_path / "A", Hanging(), synth_minutes=0.05)
    assert "0.05 minutes of budget.synth_minutes are over" in str(stopped.used_up)
    assert [line.index for line in read_ledger(tmp_path / "A")] == [0, 1]
    assert (await capped(tmp_path / "A", Drafter())).complete


async def test_a_time_out_inside_a_draft_is_not_taken_for_the_end_of_its_time(tmp_path: Path) -> None:
    class Late(Drafter):
        async def draft(self, assignment: Assignment) -> DraftOutcome:
            raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await capped(tmp_path, Late(), synth_minutes=60)


async def test_where_a_model_is_reached_may_change_and_which_options_it_has_may_not(tmp_path: Path) -> None:
    class Options(BaseModel):
        address: str = ""
        top: float = 1.0

        @staticmethod
        def lasting(section: dict[str, Any]) -> dict[str, Any]:
            return {key: value for key, value in section.items() if key != "address"}

    toolkit = make_toolkit()
    spec: Spec[object] = Spec(name="far", summary="a model", make=lambda config: object(), config=Options)
    entries = {(one.kind, one.spec.name): one for one in toolkit.registry}
    registry = Registry({**entries, (Kind.LLM, "far"): Registered(kind=Kind.LLM, spec=spec, source="tests")})
    plugins = replace(toolkit.plugins, registry=registry)

    def recorded(**section: object) -> dict[str, Any]:
        settings = Settings.model_validate({"plugin": {"llm": {"far": section}}})
        return recorded_settings(Toolkit(plugins=plugins, settings=settings), 0)

    assert recorded(address="a", top=0.5) == recorded(address="b", top=0.5) != recorded(top=0.6)
    assert recorded(address="a") == recorded()
