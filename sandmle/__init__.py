"""SandMLE: make, run, reward and learn from micro-scale machine-learning-engineering tasks.

This is what a plugin author or a library user imports. Everything else is internal and may move.
"""

from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeLimits, EpisodeOver, TaskView
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import (
    ConfigError,
    InfrastructureError,
    PluginError,
    ProviderError,
    SandboxError,
    SandmleError,
    TaskError,
    UsageError,
)
from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Kind, NoConfig, Spec
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, ToolCall, ToolSpec, Usage
from sandmle.core.types.sandbox import (
    CellOutput,
    CellResult,
    CellStatus,
    FetchedFiles,
    FetchRefusal,
    IsolationLevel,
    SandboxLimits,
)
from sandmle.core.types.score import Direction, Grade, Medal, Metric, Prediction, Thresholds
from sandmle.core.types.synthesis import Evidence, Seed, TaskDraft, TaskProblem
from sandmle.core.types.task import TaskLayout, TaskSpec
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, Observation, StopReason, Trajectory

__plugin_api__ = 1
"""Version of the hook surface. A change that breaks a plugin raises it, one minor release after a warning."""

__all__ = [
    "Action",
    "ActionKind",
    "CellOutput",
    "CellResult",
    "CellStatus",
    "ConfigError",
    "Direction",
    "Episode",
    "EpisodeContext",
    "EpisodeLimits",
    "EpisodeOver",
    "Evidence",
    "FeedbackMode",
    "FetchRefusal",
    "FetchedFiles",
    "Grade",
    "InfrastructureError",
    "IsolationLevel",
    "Kind",
    "Medal",
    "Message",
    "Metric",
    "ModelReply",
    "NoConfig",
    "Observation",
    "Outcome",
    "PluginError",
    "Prediction",
    "ProviderError",
    "ReplyOptions",
    "SandboxError",
    "SandboxLimits",
    "SandmleError",
    "Seed",
    "Spec",
    "StopReason",
    "TaskDraft",
    "TaskError",
    "TaskLayout",
    "TaskProblem",
    "TaskSpec",
    "TaskView",
    "Thresholds",
    "ToolCall",
    "ToolSpec",
    "Toolkit",
    "Trajectory",
    "Usage",
    "UsageError",
    "__plugin_api__",
    "hookimpl",
    "open_toolkit",
]
