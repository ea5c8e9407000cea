"""What a synthesis may spend and has spent, in tokens and in US dollars: per role, and in all.

A cap ends no draft badly: drafts under way stop without a line in the ledger and are made when the cap is raised.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sandmle.core.engine.budget import Cap, add_usage
from sandmle.core.engine.line_log import LineLog, open_log
from sandmle.core.engine.settings import BudgetSettings
from sandmle.core.errors import BudgetError, ConfigError, RunError, nearest
from sandmle.core.types.message import ModelReply, Usage

USAGE_NAME: Final = "usage.jsonl"
SYNTHESIS: Final = "synthesis"
"""Scope of a cap on all roles together; any other scope is the name of a role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCharge:
    """One reply of a role that was paid for: a line of the corpus' `usage.jsonl`."""

    role: str
    index: int
    """Of the draft."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float

    @property
    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens, cost_usd=self.cost_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCaps:
    """Every bound of a synthesis."""

    whole: Cap
    roles: Mapping[str, Cap]

    def needs_price(self, role: str) -> bool:
        """Whether a bound on money holds for this role's replies."""
        return self.whole.usd is not None or (role in self.roles and self.roles[role].usd is not None)


def role_caps(settings: BudgetSettings, roles: Iterable[str]) -> RoleCaps:
    """The caps of `[budget]` that hold for a synthesis.

    Raises:
        ConfigError: a cap is set for a role that does not play.
    """
    known = list(roles)
    named = {**settings.role_tokens, **settings.role_usd}
    for role in named:
        if role not in known:
            raise ConfigError(f"budget: no role {role!r} plays in synthesis.roles; {nearest(role, known)}")
    return RoleCaps(
        whole=Cap(tokens=settings.synth_tokens, usd=settings.synth_usd),
        roles={role: Cap(tokens=settings.role_tokens.get(role), usd=settings.role_usd.get(role)) for role in named},
    )


class RoleBudget:
    """The account of one corpus. Spending of earlier starts, and of drafts that came to nothing, counts."""

    def __init__(
        self, caps: RoleCaps | None = None, spent: Iterable[RoleCharge] = (), log: LineLog | None = None
    ) -> None:
        """Open the account; without caps nothing is refused, without a log nothing is kept."""
        self._caps = caps or RoleCaps(whole=Cap(), roles={})
        self._log = log
        self._by_role: defaultdict[str, Usage] = defaultdict(Usage)
        self._total = Usage()
        for charge in spent:
            self._add(charge)

    @property
    def total(self) -> Usage:
        """Spent in all."""
        return self._total

    @property
    def by_role(self) -> dict[str, Usage]:
        """Role name to what it has spent."""
        return dict(sorted(self._by_role.items()))

    def charge(self, role: str, index: int, reply: ModelReply) -> None:
        """Enter a reply; one that was paid for earlier costs nothing.

        Raises:
            StoreError: it could not be recorded.
        """
        if reply.cached:
            return
        charge = RoleCharge(role=role, index=index, **asdict(reply.usage))
        if self._log is not None:
            self._log.append(json.dumps(asdict(charge)).encode(), durable=False)
        self._add(charge)

    def check(self, role: str) -> None:
        """See that a role may be asked once more.

        Raises:
            BudgetError: its cap, or that of all roles together, is reached.
        """
        if whole := self._caps.whole.reached_by(self._total):
            raise BudgetError(
                f"the synthesis' budget is used up: {whole}; raise budget.synth_tokens or budget.synth_usd, and the "
                "same command goes on from there",
                scope=SYNTHESIS,
            )
        own = self._caps.roles[role].reached_by(self._by_role[role]) if role in self._caps.roles else None
        if own:
            raise BudgetError(
                f"the budget of role {role} is used up: {own}; raise budget.role_tokens.{role} or "
                f"budget.role_usd.{role}, and the same command goes on from there",
                scope=role,
            )

    def _add(self, charge: RoleCharge) -> None:
        self._by_role[charge.role] = add_usage(self._by_role[charge.role], charge.usage)
        self._total = add_usage(self._total, charge.usage)


@contextmanager
def open_role_budget(root: Path, caps: RoleCaps) -> Iterator[RoleBudget]:
    """The account of the corpus in `root`, which this process holds.

    Raises:
        RunError: its record is damaged.
    """
    path = root / USAGE_NAME
    with open_log(path) as log:
        yield RoleBudget(caps, read_role_charges(path), log)


def read_role_charges(path: Path) -> tuple[RoleCharge, ...]:
    """The charges recorded in a `usage.jsonl`; a torn last line is left out.

    Raises:
        RunError: another line is damaged.
    """
    content = path.read_bytes() if path.exists() else b""
    charges = []
    for number, raw in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            charges.append(_parse(json.loads(raw)))
        except (ValueError, TypeError, KeyError) as problem:
            raise RunError(f"{path}, line {number}: no record of spending; mend the line, or remove it") from problem
    return tuple(charges)


def _parse(line: dict[str, object]) -> RoleCharge:
    tokens = {name: int(str(line[name])) for name in ("prompt_tokens", "completion_tokens")}
    return RoleCharge(
        role=str(line["role"]), index=int(str(line["index"])), cost_usd=float(str(line["cost_usd"])), **tokens
    )
