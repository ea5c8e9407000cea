"""The formats by name. Light, since the program's help lists them."""

from enum import StrEnum


class TrajectoryFormat(StrEnum):
    """What `sandmle export trajectories` can write."""

    SFT = "sft"
    """Chat JSONL with a list `messages` a line: TRL, OpenRLHF, most others."""
    SHAREGPT = "sharegpt"
    """JSONL with a list `conversations` of `from` and `value` a line."""
    ATIF = "atif"
    """Harbor's Agent Trajectory Interchange Format."""
    OPENRLHF = "openrlhf"
    """OpenRLHF's prompt sets: what an agent is asked, and a label that names the task."""
    PARQUET = "parquet"
    """The chat rows as one parquet table."""


class TaskFormat(StrEnum):
    """What `sandmle export tasks` can write."""

    MLEBENCH = "mlebench"
    """MLE-bench competitions."""
    MLEDOJO = "mledojo"
    """MLE-Dojo competitions."""
    HARBOR = "harbor"
    """Harbor task directories."""
    SANDMLE_RELEASE = "sandmle-release"
    """The layout of the released SandMLE bundle, which leaks its labels."""
