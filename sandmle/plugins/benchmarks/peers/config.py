"""What both bridges are told, and the competitions that a split names."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sandmle.core.errors import TaskError, nearest


class PeerConfig(BaseModel):
    """`[plugin.benchmark.mlebench]` and `[plugin.benchmark.mledojo]`."""

    # Building validators takes longer than showing help: it waits for the first use.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    checkout: Path
    """A checkout of the benchmark's repository."""
    data: Path | None = None
    """Its data directory; by default `data/` of the export, else the benchmark's own default."""
    split: str = ""
    """A split of the benchmark's, or a text file with a competition id on each line; empty takes the bridge's default
    (of an export, all of it)."""
    competitions: tuple[str, ...] = ()
    """Only these of the split."""
    prepared_only: bool = False
    """Leave out, and name in the report, what is not prepared, instead of refusing to begin."""
    export: Path | None = None
    """A folder that `sandmle export tasks` wrote for the benchmark: its competitions instead of the checkout's."""
    python: str = ""
    """The interpreter in which the benchmark's own code runs; empty for the one that runs SandMLE."""
    work: Path | None = None
    """Where task views and submissions are kept; by default a folder of the user's cache."""
    prepare_timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Deadline of preparing one competition; none by default, since downloads take hours."""
    grade_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """Deadline of grading one submission."""
    grader_memory_mb: Annotated[int, Field(ge=0)] = 0
    """Address space of the benchmark's grading process, MiB; 0 sets no limit."""
    max_submission_mb: Annotated[int, Field(ge=1)] = 512
    """Larger files are refused."""

    @property
    def work_folder(self) -> Path:
        """`work`, or a folder of the user's cache for this checkout and this data."""
        if self.work is not None:
            return self.work.absolute()
        cache = os.environ.get("XDG_CACHE_HOME")
        places = (
            f"{self.checkout.resolve()}\n{self.data and self.data.resolve()}\n{self.export and self.export.resolve()}"
        )
        digest = hashlib.sha256(places.encode()).hexdigest()[:12]
        return (Path(cache) if cache else Path.home() / ".cache") / "sandmle" / "competitions" / digest


class MleDojoConfig(PeerConfig):
    """What `[plugin.benchmark.mledojo]` has besides."""

    inside: bool = False
    """Run the agent's code in MLE-Dojo's own environment, whose sandbox keeps nothing from it, the labels included."""


def check_checkout(config: PeerConfig, package: str, repository: str) -> None:
    """See that the folders are what they are said to be.

    Raises:
        TaskError: the checkout holds no such package, or the export no competitions.
    """
    if not (config.checkout / package).is_dir():
        raise TaskError(
            f"{config.checkout} is no checkout of {repository}: it has no folder {package}/; clone {repository} and "
            f"name the clone (--checkout, or plugin.benchmark.{package}.checkout)"
        )
    if config.export is not None and not (config.export / "competitions").is_dir():
        raise TaskError(
            f"{config.export} is no export: it has no folder competitions/; make one with "
            f"`sandmle export tasks DIR --format {package} -o {config.export}`"
        )


def chosen(config: PeerConfig, splits: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    """The competitions that the configuration names, in the order of their split.

    Args:
        config: says which of the split.
        splits: name to ids; `all` is every competition there is.
        name: of the split, or a file that lists one.

    Raises:
        TaskError: no such split, an unreadable file, or a competition that there is not.
    """
    known = splits["all"]
    if name in splits:
        found = tuple(splits[name])
    elif Path(name).is_file():
        found = _listed(Path(name))
    else:
        hint = nearest(name, list(splits))
        raise TaskError(f"no split named {name!r}, and no file of that name; {hint}")
    for one in (*found, *config.competitions):
        if one not in known:
            raise TaskError(f"no competition {one!r} (split {name!r}); {nearest(one, list(known))}")
    outside = [one for one in config.competitions if one not in found]
    if outside:
        raise TaskError(f"competition {outside[0]!r} is not in the split {name!r}; name its split, or `--split all`")
    if config.competitions:
        found = tuple(one for one in found if one in config.competitions)
    if not found:
        raise TaskError(f"the split {name!r} names no competition")
    return found


def _listed(file: Path) -> tuple[str, ...]:
    try:
        lines = [line.strip() for line in file.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as problem:
        raise TaskError(f"cannot read the split {file}: {problem}") from problem
    # A file may name a competition twice by accident; a run keeps its episodes apart by task.
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
