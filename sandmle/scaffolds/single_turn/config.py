"""What can be configured about the single turn."""

from pydantic import BaseModel, ConfigDict


class SingleTurnConfig(BaseModel):
    """`[plugin.scaffold.single_turn]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unfenced: bool = True
    """Whether a reply without a code fence that begins like a program is taken as the program."""
