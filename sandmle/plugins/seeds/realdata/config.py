"""What can be configured about the benchmark of real rows."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


def default_folder() -> Path:
    """`sandmle/realdata-2` in the user's cache folder; the number is the protocol's."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "sandmle" / "realdata-2"


class RealDataConfig(BaseModel):
    """`[plugin.benchmark.realdata]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(default_factory=default_folder)
    """Where task directories are made; those that are there are used again."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """Splits of every data set."""
    rng_seed: int = 0
    """Decides the splits."""
    seed_ids: tuple[str, ...] = ()
    """Seeds whose data is taken; empty takes all that have rows enough."""
