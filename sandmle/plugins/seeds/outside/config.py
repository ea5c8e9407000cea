"""Options of the sources of seeds from outside. Imports nothing heavy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class _SourceConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @staticmethod
    def lasting(section: Mapping[str, Any]) -> dict[str, Any]:
        """Where files lie on this machine may change while a corpus is made; what is measured of them may not."""
        return {key: value for key, value in section.items() if key not in ("path", "checkout", "data")}


class FolderConfig(_SourceConfig):
    """`[plugin.seeds.folder]` and `[plugin.seeds.arff]`."""

    path: Path
    """A folder of data files, a data set each, or one such file. `NAME.md` beside a file describes it."""
    target: str = ""
    """Column to predict, in every file; empty takes what the description or the file says."""
    metric: str = ""
    """A metric of the catalogue, for every file; empty takes what the description says, else the usual one."""


class CheckoutConfig(_SourceConfig):
    """`[plugin.seeds.mlebench]` and `[plugin.seeds.mledojo]`."""

    checkout: Path
    """A checkout of the benchmark's repository."""
    data: Path | None = None
    """Its data directory; where a competition's data is prepared there, its DNA is measured. Without it, only what the
    checkout says is known of a competition."""
    competitions: tuple[str, ...] = ()
    """Only these; empty takes all but those of MLE-bench-lite, which policies are measured on."""
