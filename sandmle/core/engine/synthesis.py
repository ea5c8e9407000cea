"""Makes a corpus: drafts in index order until enough of them are accepted.

What a draft is made of and how it is judged is a `Drafter`'s business (the built-in one plays the roles as a
graph). Here stands what makes a corpus reproducible: every random stream is derived from (rng seed, index) by
hashing; several drafts may be under way at once, and they are committed strictly in index order; a draft sees
only what was accepted well before it. So the corpus does not depend on the number of workers or on load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from sandmle.core.engine.ledger import Corpus, LedgerLine, count_rejections, open_corpus
from sandmle.core.engine.manifest import write_manifest
from sandmle.core.engine.role_budget import RoleBudget, open_role_budget, role_caps
from sandmle.core.engine.seed_order import SeedOrder, order_seeds
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import BudgetError, InfrastructureError
from sandmle.core.hooks.events import DraftFinished
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.message import Usage
from sandmle.core.types.synthesis import Seed, TaskDraft, TaskProblem
from sandmle.core.types.task import TaskSpec

LOOKBACK: Final = 8
"""A draft knows the tasks accepted from drafts at least this much older, whatever the workers did; also the
most drafts under way at once. Fixed, because it shapes the prompts and so the corpus."""
INFRASTRUCTURE_RETRIES: Final = 2
"""Times a draft is begun again after the machinery failed under it; then the error ends the synthesis."""
DETAIL_CHARACTERS: Final = 2000
"""Of a reason, in the ledger: tracebacks can be long."""
_RESTRICTIONS: Final = ("seed_ids", "families", "metrics", "mix", "difficulty", "scale")
_RECORDED_KINDS: Final = (Kind.ROLE, Kind.RULE, Kind.LLM, Kind.SEEDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One draft to be made."""

    index: int
    seed: Seed
    rng_seed: int
    """Of this draft."""
    corpus_rng_seed: int
    titles: tuple[str, ...]
    """Of accepted tasks that amplify the same seed."""
    budget: RoleBudget
    """Asked before every reply, and charged with it."""
    accepted_before: Callable[[], Awaitable[tuple[TaskSpec, ...]]]
    """Waits until every earlier draft is committed, then gives the tasks. To be asked last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOutcome:
    """A draft that became a task (`task`) or did not (`problem`); exactly one of them is there."""

    tries: Mapping[str, int]
    task: TaskDraft | None = None
    problem: TaskProblem | None = None


class Drafter(Protocol):
    """Makes one draft and judges it."""

    async def draft(self, assignment: Assignment) -> DraftOutcome:
        """Make a draft. What the roles get wrong is an outcome.

        Raises:
            InfrastructureError: the sandbox, the provider or the grader failed.
            BudgetError: a role may not be asked any more; nothing becomes of the draft now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisResult:
    """What a corpus holds after a synthesis."""

    out: Path
    tasks: tuple[TaskSpec, ...]
    wanted: int
    drafts: int
    rejections: Mapping[str, int]
    """Check name to drafts it rejected, most first."""
    drained: bool
    """Stopped because it was asked to."""
    used_up: str | None
    """Which cap stopped it, in words; None when none did."""
    spent: Usage
    """By all roles, in all starts together."""
    spent_by_role: Mapping[str, Usage]
    manifest_sha256: str
    """Stands for every byte of every task."""

    @property
    def complete(self) -> bool:
        return len(self.tasks) >= self.wanted


async def synthesize(
    toolkit: Toolkit,
    drafter: Drafter,
    *,
    out: Path,
    wanted: int,
    rng_seed: int,
    drain: asyncio.Event | None = None,
    on_event: Callable[[DraftFinished], None] | None = None,
) -> SynthesisResult:
    """Fill the folder `out` with tasks until it holds `wanted`; what it holds already counts.

    Args:
        toolkit: plugins and settings.
        drafter: makes and judges the drafts.
        out: the corpus folder; made if it is not there, gone on with if it is.
        wanted: number of tasks. A corpus of fewer tasks is the beginning of one of more.
        rng_seed: of the corpus.
        drain: when set, drafts under way are finished and committed, and no more are begun.
        on_event: told of every committed draft, as every plugin's `sandmle_event` is.

    Raises:
        RunError: the folder is something else, or was begun with other settings.
        InfrastructureError: a draft failed through no fault of its roles, retries included.
    """
    seeds = order_seeds(toolkit, derive_rng_seed(rng_seed, "seeds"), LOOKBACK)
    caps = role_caps(toolkit.settings.budget, toolkit.settings.synthesis.roles)
    with open_corpus(out, recorded_settings(toolkit, rng_seed)) as corpus, open_role_budget(out, caps) as budget:
        order = _Order(
            seeds=seeds,
            rng_seed=rng_seed,
            wanted=wanted,
            drain=drain or asyncio.Event(),
            budget=budget,
            on_event=on_event,
        )
        used_up = await _run_within_budget(
            _Line(toolkit, drafter, corpus, order), toolkit.settings.budget.synth_minutes
        )
        manifest_sha256 = write_manifest(out, corpus.lines)
        return SynthesisResult(
            out=out,
            tasks=corpus.accepted,
            wanted=wanted,
            drafts=len(corpus.lines),
            rejections=count_rejections(corpus.lines),
            drained=drain is not None and drain.is_set(),
            used_up=used_up,
            spent=budget.total,
            spent_by_role=budget.by_role,
            manifest_sha256=manifest_sha256,
        )


async def _run_within_budget(line: "_Line", minutes: float | None) -> str | None:
    """Which cap stopped the drafts; None when none did."""
    try:
        async with asyncio.timeout(None if minutes is None else minutes * 60) as clock:
            await line.run()
    except BudgetError as problem:
        return str(problem)
    except TimeoutError:
        if not clock.expired():
            raise
        return f"the {minutes:g} minutes of budget.synth_minutes are over; the same command goes on from there"
    return None


def derive_rng_seed(rng_seed: int, *path: int | str) -> int:
    """A 31-bit seed for one stream, the same on every machine."""
    words = ":".join(map(str, (rng_seed, *path)))
    return int.from_bytes(sha256(words.encode()).digest()[:4]) >> 1


def recorded_settings(toolkit: Toolkit, rng_seed: int) -> dict[str, Any]:
    """What decides a corpus' content, and so may not change while it is made."""
    synthesis = toolkit.settings.synthesis.model_dump(mode="json", exclude={"workers", "max_drafts_per_task"})
    # An empty restriction is none, and was not written down before there were any.
    synthesis = {key: value for key, value in synthesis.items() if key not in _RESTRICTIONS or value}
    if synthesis["thresholds"] == "population":
        del synthesis["thresholds"]
    plugins = {kind.value: chosen for kind in _RECORDED_KINDS if (chosen := toolkit.lasting_sections(kind))}
    return {"rng_seed": rng_seed, "synthesis": synthesis, "plugin": plugins}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    seeds: SeedOrder
    rng_seed: int
    wanted: int
    drain: asyncio.Event
    budget: RoleBudget
    on_event: Callable[[DraftFinished], None] | None


class _Line:
    """The drafts under way, and the point up to which they are committed."""

    def __init__(self, toolkit: Toolkit, drafter: Drafter, corpus: Corpus, order: _Order) -> None:
        self._toolkit = toolkit
        self._drafter = drafter
        self._corpus = corpus
        self._order = order
        self._limit = order.wanted * toolkit.settings.synthesis.max_drafts_per_task
        self._slots = asyncio.Semaphore(toolkit.settings.synthesis.workers)
        self._under_way: dict[int, asyncio.Task[DraftOutcome | None]] = {}
        self._committed = asyncio.Condition()

    async def run(self) -> None:
        try:
            while len(self._corpus.accepted) < self._order.wanted:
                self._begin()
                index = len(self._corpus.lines)
                outcome = await self._under_way[index] if index in self._under_way else None
                if outcome is None:
                    return
                await self._commit(index, outcome)
                del self._under_way[index]
        finally:
            await self._abandon()

    def _begin(self) -> None:
        """Begin drafts up to the look-back's reach, or nothing more once asked to drain."""
        head = len(self._corpus.lines)
        first = max(self._under_way, default=head - 1) + 1
        for index in range(first, 0 if self._order.drain.is_set() else min(head + LOOKBACK, self._limit)):
            self._under_way[index] = asyncio.create_task(self._draft(index), name=f"draft {index}")

    def _seed(self, index: int) -> Seed:
        return self._order.seeds.of(index, lambda one: self._corpus.lines[one].task_id is not None)

    async def _draft(self, index: int) -> DraftOutcome | None:
        """One draft with its retries; None when it had to wait for a worker and the drain came first."""
        seed = self._seed(index)
        titles = self._corpus.titles(seed.seed_id, below=index - LOOKBACK + 1)
        for attempt in range(INFRASTRUCTURE_RETRIES + 1):
            slot = _Slot(self._slots)
            assignment = Assignment(
                index=index,
                seed=seed,
                rng_seed=derive_rng_seed(self._order.rng_seed, index),
                corpus_rng_seed=self._order.rng_seed,
                titles=titles,
                budget=self._order.budget,
                accepted_before=partial(self._turn, index, slot),
            )
            try:
                async with slot:
                    if self._order.drain.is_set():
                        return None
                    return await self._drafter.draft(assignment)
            except InfrastructureError:
                if attempt == INFRASTRUCTURE_RETRIES:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _turn(self, index: int, slot: "_Slot") -> tuple[TaskSpec, ...]:
        """Wait for every earlier draft. The slot is free meanwhile, or a slow draft would idle the workers."""
        slot.free()
        async with self._committed:
            await self._committed.wait_for(lambda: len(self._corpus.lines) >= index)
        return self._corpus.accepted

    async def _commit(self, index: int, outcome: DraftOutcome) -> None:
        task, problem = outcome.task, outcome.problem
        line = LedgerLine(
            index=index,
            seed_id=self._seed(index).seed_id,
            rng_seed=derive_rng_seed(self._order.rng_seed, index),
            task_id=task.spec.task_id if task else None,
            check=problem.check if problem else None,
            detail=(problem.message if problem else task.spec.title if task else "")[:DETAIL_CHARACTERS],
            tries=dict(outcome.tries),
        )
        async with self._committed:
            self._corpus.commit(line, task)
            self._committed.notify_all()
        event = DraftFinished(
            index=index,
            task_id=line.task_id,
            check=line.check,
            detail=line.detail,
            accepted=len(self._corpus.accepted),
            wanted=self._order.wanted,
        )
        self._toolkit.plugins.emit(event)
        if self._order.on_event is not None:
            self._order.on_event(event)

    async def _abandon(self) -> None:
        """Cancel what nobody waits for; its resources close before we go on."""
        for task in self._under_way.values():
            task.cancel()
        # Whatever an abandoned draft still raises has no one left to act on it, and must not hide why we stop.
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)


class _Slot:
    """A place among the workers, given back early or at the end."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._held = False

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        self._held = True

    async def __aexit__(self, *_: object) -> None:
        self.free()

    def free(self) -> None:
        if self._held:
            self._held = False
            self._slots.release()
