"""What a run may spend and has spent, in tokens and in US dollars: per episode, per task, in all.

An episode that has used up its own cap ends as any other that has used up its turns. A cap on a task or on the run
says nothing about the agent: episodes under way stop without a record, and are played when the cap is raised.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sandmle.core.errors import BudgetError
from sandmle.core.types.message import ModelReply, Usage

RUN: Final = "run"
"""Scope of a cap on the whole run; any other scope is the id of a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A bound on spending; None is no bound."""

    tokens: int | None = None
    """Of prompts and completions together."""
    usd: float | None = None

    def reached_by(self, usage: Usage) -> str | None:
        """Which bound is reached, in words."""
        tokens = usage.prompt_tokens + usage.completion_tokens
        if self.tokens is not None and tokens >= self.tokens:
            return f"{tokens} of {self.tokens} tokens are spent"
        if self.usd is not None and usage.cost_usd >= self.usd:
            return f"{usage.cost_usd:.6g} of {self.usd:.6g} USD are spent"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Every bound of a run."""

    episode: Cap = field(default_factory=Cap)
    task: Cap = field(default_factory=Cap)
    run: Cap = field(default_factory=Cap)

    @property
    def need_prices(self) -> bool:
        """Whether a bound on money is among them."""
        return any(cap.usd is not None for cap in (self.episode, self.task, self.run))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One reply that was paid for: a line of `usage.jsonl`."""

    task_id: str
    slot: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float

    @property
    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens, cost_usd=self.cost_usd)


def _forget(charge: Charge) -> None:
    """Where nobody keeps account."""


class Budget:
    """The account of one run. Spending of earlier starts, and of episodes that came to nothing, counts."""

    def __init__(
        self,
        caps: Caps | None = None,
        spent: Iterable[Charge] = (),
        record: Callable[[Charge], None] = _forget,
    ) -> None:
        """Open the account.

        Args:
            caps: its bounds; None sets none.
            spent: what was charged before.
            record: keeps each new charge.
        """
        self.caps = caps or Caps()
        self._record = record
        self._by_task: defaultdict[str, Usage] = defaultdict(Usage)
        self._total = Usage()
        for charge in spent:
            self._add(charge)

    @property
    def total(self) -> Usage:
        """Spent in all."""
        return self._total

    def spent_on(self, task_id: str) -> Usage:
        """Spent on one task, by all its episodes."""
        return self._by_task[task_id]

    def charge(self, task_id: str, slot: int, reply: ModelReply) -> None:
        """Enter a reply; one that was paid for earlier costs nothing.

        Raises:
            StoreError: it could not be recorded.
        """
        if reply.cached:
            return
        charge = Charge(task_id=task_id, slot=slot, **asdict(reply.usage))
        self._record(charge)
        self._add(charge)

    def check(self, task_id: str) -> None:
        """See that more may be spent on a task.

        Raises:
            BudgetError: the cap of the run or of the task is reached.
        """
        run = self.caps.run.reached_by(self._total)
        if run is not None:
            raise BudgetError(f"the run's budget is used up: {run}; {_go_on(RUN)}", scope=RUN)
        task = self.caps.task.reached_by(self._by_task[task_id])
        if task is not None:
            raise BudgetError(f"the budget of task {task_id} is used up: {task}; {_go_on('task')}", scope=task_id)

    def _add(self, charge: Charge) -> None:
        self._by_task[charge.task_id] = add_usage(self._by_task[charge.task_id], charge.usage)
        self._total = add_usage(self._total, charge.usage)


def add_usage(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return Usage(
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        cost_usd=one.cost_usd + other.cost_usd,
    )


def usage_of(charges: Iterable[Charge]) -> tuple[Usage, dict[str, Usage]]:
    """What charges come to: in all, and by task."""
    budget = Budget(spent=charges)
    return budget.total, dict(sorted(budget._by_task.items()))


def parse_charge(line: Any) -> Charge:
    """A line of `usage.jsonl`.

    Raises:
        TypeError, ValueError: it is none.
    """
    return Charge(
        task_id=str(line["task_id"]),
        slot=int(line["slot"]),
        prompt_tokens=int(line["prompt_tokens"]),
        completion_tokens=int(line["completion_tokens"]),
        cost_usd=float(line["cost_usd"]),
    )


def _go_on(scope: str) -> str:
    return f"raise budget.{scope}_tokens or budget.{scope}_usd, and the same command goes on from there"
