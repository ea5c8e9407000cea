"""What can be configured about models reached through litellm. Imports nothing heavy."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

OURS = frozenset(
    {
        "api_base", "client", "drop_params", "max_retries", "max_tokens", "messages", "mock_response", "model",
        "n", "num_retries", "response_format", "seed", "stop", "stream", "temperature", "timeout", "tools",
    }
)  # fmt: skip
"""Arguments of a litellm call that SandMLE sets itself."""


class LitellmConfig(BaseModel):
    """`[plugin.llm.litellm]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_retries: Annotated[int, Field(ge=0, le=20)] = 3
    """Further tries after a rate limit, an error of the server or a broken connection. Nothing else is retried."""
    backoff_s: Annotated[float, Field(ge=0)] = 1.0
    """Pause before the first further try; doubles each time. A longer `Retry-After` of the provider is obeyed."""
    max_backoff_s: Annotated[float, Field(ge=0)] = 30.0
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Upper bound of the deadline of one reply, all its tries included; the caller's own deadline holds as well."""
    api_base: str | None = None
    """Address of the server, for endpoints of your own."""
    json_schema: Literal["auto", "always", "never"] = "auto"
    """Whether a wanted JSON schema is sent along: `auto` sends it to models that litellm lists as knowing it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of every call, such as `top_p` or `reasoning_effort`."""

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(OURS & options.keys())
        if taken:
            raise ValueError(f"SandMLE sets {', '.join(taken)} itself; remove it here")
        return options
