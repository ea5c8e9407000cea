"""What can be configured, with the defaults. How the values are found and merged is `config.py`."""

import os
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandmle.core.types.reward import PRESETS
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.core.types.trajectory import FeedbackMode

_LIMITS: Final = SandboxLimits()
_WORKERS_AT_MOST: Final = 17


def _workers() -> int:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_WORKERS_AT_MOST, processors + 1)


class _Section(BaseModel):
    # Building validators takes longer than showing help: it waits for the first use.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SynthesisSettings(_Section):
    """`[synthesis]`: how tasks are made."""

    model: str = "offline/roles"
    """Model string for every role that has none of its own."""
    role_models: dict[str, str] = Field(default_factory=dict)
    """Role name to its own model string."""
    seeds: tuple[str, ...] = ("builtin",)
    """Names of seed sources."""
    mix: str = ""
    """Name of the mix that a corpus shall keep to (`paper`, `even`); empty gives every seed its turn."""
    difficulty: str = ""
    """`easy`, `medium` or `hard`; empty leaves it to the mix, and without one to how things were at first."""
    scale: Annotated[int, Field(ge=50, le=1_000_000)] | None = None
    """Training rows of every task, for studies of micro against macro: the same rules as without, of tables and, up to
    200,000, of texts alone. Reference solutions learn from the first 5,000 of them."""
    thresholds: Literal["population", "ladder"] = "population"
    """Whether medals stand where the board's positions put them, or at the scores of four solutions of rising
    complexity that the engineer names, as in the paper. HumanRank is by the board either way."""
    seed_ids: tuple[str, ...] = ()
    """Seeds to be amplified; empty takes all that the sources have."""
    families: tuple[str, ...] = ()
    """Rule families a task may have; empty leaves them to the Data Strategist."""
    metrics: tuple[str, ...] = ()
    """Metrics a task may have; empty takes the whole catalogue."""
    roles: tuple[str, ...] = (
        "data-strategist",
        "ml-developer",
        "mlops-engineer",
        "technical-writer",
    )
    """Roles in the order they play."""
    sandbox: str = "process"
    tries: Annotated[int, Field(ge=1)] = 3
    """Answers a role may give, the first included."""
    workers: Annotated[int, Field(ge=1)] = Field(default_factory=_workers)
    """Drafts under way at once, by default one more than there are processors (17 at most), since a draft waits now
    and then. The corpus does not depend on it."""
    max_drafts_per_task: Annotated[int, Field(ge=1)] = 8
    """Give up when this many drafts were made for every task asked for."""
    script_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """Deadline of one generator script or one reference solution; far above what they need, since running
    out of it would make the corpus depend on load."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    max_tokens: Annotated[int, Field(ge=1)] = 16_000
    """Tokens of one reply; a reply holds a whole script or two dozen."""
    llm_timeout_s: Annotated[float, Field(gt=0)] = 600.0


class RunSettings(_Section):
    """`[run]`: how agents are run on tasks."""

    benchmark: str = "corpus"
    scaffold: str = "react"
    model: str = "offline/agent"
    sandbox: str = "process"
    group_size: Annotated[int, Field(ge=1)] = 4
    """Episodes per task (k)."""
    concurrency: Annotated[int, Field(ge=1)] = 4
    """Episodes under way at once."""
    cells_at_once: Annotated[int, Field(ge=1)] | None = None
    """Cells run at once, however many episodes there are; by default one more than processors. A cell's deadline
    begins when it runs, and what it waited for that is `queue_s` of its episode's timings."""
    starts_at_once: Annotated[int, Field(ge=1)] | None = None
    """Sessions started at once; by default as many as processors."""
    starts_per_s: Annotated[float, Field(gt=0)] | None = None
    """Sessions started in a second, evenly spaced; by default as many as can be."""
    reward: str = "release"
    """Name of a reward preset."""
    feedback: FeedbackMode = FeedbackMode.PUBLIC_BOARD
    rng_seed: int = 0
    temperature: Annotated[float, Field(ge=0)] = 1.0
    max_tokens: Annotated[int, Field(ge=1)] = 4096
    """Tokens of one reply."""
    llm_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    max_turns: Annotated[int, Field(ge=1)] = 15
    cell_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Deadline of one cell; hours are fine, where `episode_timeout_s` has room for them."""
    episode_timeout_s: Annotated[float, Field(gt=0)] = 900.0
    memory_mb: Annotated[int, Field(ge=64)] = _LIMITS.memory_mb
    """Memory of one session, MiB."""
    workdir_mb: Annotated[int, Field(ge=1)] = _LIMITS.workdir_mb
    """Size of a session's work directory, MiB. It may lie in memory."""
    processes: Annotated[int, Field(ge=1)] = _LIMITS.processes
    """Processes and threads of one session."""
    max_scored_submissions: Annotated[int, Field(ge=1)] = 10
    withheld_actions: tuple[Literal["run_code", "submit"], ...] = ()
    """Actions that the environment does not offer; a scaffold that needs one of them is refused. Without `submit` an
    agent works blind: what it leaves in place is graded at the end."""
    infrastructure_retries: Annotated[int, Field(ge=0)] = 2
    trackers: tuple[str, ...] = ("progress",)


class BudgetSettings(_Section):
    """`[budget]`: what runs may spend; unset is no cap. Tokens are those of prompts and completions together."""

    episode_tokens: Annotated[int, Field(ge=1)] | None = None
    """An episode that has used these ends with the stop reason `budget`, and is graded as it stands."""
    episode_usd: Annotated[float, Field(gt=0)] | None = None
    task_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of all episodes of a task. Reached, its episodes stop without a record and are played once it is raised."""
    task_usd: Annotated[float, Field(gt=0)] | None = None
    run_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of the whole run, all its starts included. Reached, the run stops; the same command goes on once it is raised."""
    run_usd: Annotated[float, Field(gt=0)] | None = None
    synth_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of a whole corpus, all starts included. Reached, the synthesis stops; the same command goes on once raised."""
    synth_usd: Annotated[float, Field(gt=0)] | None = None
    synth_minutes: Annotated[float, Field(gt=0)] | None = None
    """Of one start of a synthesis, by the clock. Over, it stops; the same command goes on."""
    role_tokens: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Role name to what it may spend on a whole corpus, all starts included."""
    role_usd: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)


class RewardSettings(_Section):
    """`[reward]`: presets by name, each a table of milestone weights."""

    presets: dict[str, dict[str, float]] = Field(
        default_factory=lambda: {name: dict(weights) for name, weights in PRESETS.items()}
    )


class Settings(_Section):
    """Everything, resolved. `plugin` holds each plugin's own section: `[plugin.sandbox.process]` and so on."""

    synthesis: SynthesisSettings = Field(default_factory=SynthesisSettings)
    run: RunSettings = Field(default_factory=RunSettings)
    reward: RewardSettings = Field(default_factory=RewardSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    plugin: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)

    def options(self, kind: str, name: str) -> dict[str, Any]:
        """The raw section of one plugin, to be validated by that plugin's own type."""
        return self.plugin.get(kind, {}).get(name, {})
