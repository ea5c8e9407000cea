"""What can be configured about local policies."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class LocalConfig(BaseModel):
    """`[plugin.llm.local]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = "cpu"
    """As torch names it: `cpu`, `cuda`, `cuda:1`."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads of torch, for the whole process."""
    window_s: Annotated[float, Field(ge=0)] = 0.005
    """How long a request waits for others to be decoded with."""
    max_batch: Annotated[int, Field(ge=1)] = 64
    """Conversations decoded together."""
    cached_tokens: Annotated[int, Field(ge=0)] = 200_000
    """Tokens whose keys and values are kept, so that a growing conversation is read once."""
