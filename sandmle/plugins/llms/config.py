"""What can be configured about models reached through litellm. Imports nothing heavy."""

import fnmatch
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sandmle.core.errors import ConfigError

OURS = frozenset(
    {
        "api_base", "base_url", "client", "drop_params", "extra_headers", "fallbacks", "logger_fn", "max_retries",
        "max_tokens", "messages", "mock_response", "model", "n", "num_retries", "response_format", "seed", "stop",
        "stream", "temperature", "timeout", "tools",
    }
)  # fmt: skip
"""Arguments of a litellm call that SandMLE sets itself."""
FROM_ENVIRONMENT: Final = "env:"
"""A header whose value begins so is read from the environment variable named behind it."""
_KEYS: Final = re.compile(r"api_?key|secret|passw|credential|access_key|(^|_)token$", re.IGNORECASE)
_KEY_HEADERS: Final = re.compile(r"authorization|cookie|api-?key|secret|token$", re.IGNORECASE)
_ONE_WORD: Final = re.compile(r"\S+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Headers = dict[str, str]


class ModelOptions(BaseModel):
    """`[plugin.llm.litellm.models."PROVIDER/MODEL"]`: what holds for one model, or for all that a pattern fits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Takes the place of the run's temperature."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Takes the place of the run's limit of tokens per reply."""
    reasoning_effort: str | None = None
    """How much a thinking model is to think: `low`, `medium`, `high`, or what else its provider knows."""
    reasoning: Literal["apart", "sent", "joined"] = "apart"
    """What becomes of reasoning that a provider gives apart from the text. `apart`: recorded, and never sent back.
    `sent`: recorded, and sent back with the conversation in the provider's own form. `joined`: written before the
    text in think tags, and so a part of the conversation."""
    api_base: str | None = None
    """Address of the server, for endpoints of your own."""
    extra_headers: Headers = Field(default_factory=dict)
    """Headers of every request. A value `env:NAME` is read from the environment; keys may stand nowhere else."""
    json_schema: Literal["auto", "always", "never"] = "auto"
    """Whether a wanted JSON schema is sent along: `auto` sends it to models that litellm lists as knowing it."""
    fallbacks: tuple[str, ...] = ()
    """Models asked in turn when this one has failed. The record says which one answered."""
    usd_per_million_prompt_tokens: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Price of what is sent, where litellm's list has none or another."""
    usd_per_million_completion_tokens: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Price of what is answered, reasoning included."""
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Upper bound of the deadline of one reply, all tries and fallbacks included; the caller's holds as well."""
    try_timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Deadline of one try, so that a request that hangs leaves time for another."""
    num_retries: Annotated[int, Field(ge=0, le=20)] = 3
    """Further tries after a rate limit, an error of the server or a broken connection. Nothing else is retried."""
    backoff_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Pause before the first further try; doubles each time. A longer `Retry-After` of the provider is obeyed."""
    max_backoff_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    """The longest pause of our own. A `Retry-After` may be longer; it ends at the reply's deadline."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of every call, such as `top_p`."""

    @model_validator(mode="before")
    @classmethod
    def _keys_stand_elsewhere(cls, section: Any) -> Any:
        if isinstance(section, Mapping):
            _refuse_keys(section)
        return section

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(OURS & options.keys())
        if taken:
            raise ValueError(f"SandMLE sets {', '.join(taken)} itself; remove it here")
        _refuse_keys(options)
        return options

    @field_validator("extra_headers")
    @classmethod
    def _no_keys(cls, headers: Headers) -> Headers:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not value.isprintable():
                raise ValueError(f"{name!r} is no header that can be sent")
            if _KEY_HEADERS.search(name) and not value.startswith(FROM_ENVIRONMENT):
                raise ValueError(f'keys come from the environment: write {name} = "{FROM_ENVIRONMENT}VARIABLE"')
        return headers

    @field_validator("api_base")
    @classmethod
    def _an_address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _ONE_WORD.fullmatch(address):
            raise ValueError("an address begins with http:// or https://, names a host, and has no blanks in it")
        if parts.port == 0:
            raise ValueError("no server has the port 0")
        if parts.username or parts.password:
            raise ValueError("keys come from the environment: leave user and password out of the address")
        if any(name == "key" or _KEYS.search(name) for name, _ in parse_qsl(parts.query)):
            raise ValueError("keys come from the environment: leave them out of the address")
        return address.rstrip("/")


class LitellmConfig(ModelOptions):
    """`[plugin.llm.litellm]`: what holds for every model, and for single ones under `models`."""

    models: dict[str, ModelOptions] = Field(default_factory=dict)
    """Options of single models by their whole name, such as `openai/gpt-5`, or by a pattern, such as `ollama_chat/*`.
    What they set wins over what stands here; exact names win over patterns. Tables are joined."""
    concurrency: Annotated[int, Field(ge=1)] = 64
    """Requests under way at one provider to begin with. It grows while there is demand and halves at a rate limit."""
    max_concurrency: Annotated[int, Field(ge=1)] = 512
    """Requests under way at one provider at most."""
    cache: str | None = None
    """A file of replies, made if it is not there. A call of the same prompt, options and sample index is answered
    from it and costs nothing."""

    def for_model(self, name: str) -> Self:
        """The options of one model, everything merged."""
        changes: dict[str, Any] = {}
        fitting = sorted((key for key in self.models if key != name and fnmatch.fnmatchcase(name, key)), key=len)
        for key in [*fitting, *([name] if name in self.models else [])]:
            entry = self.models[key]
            for field in entry.model_fields_set:
                before, value = changes.get(field, getattr(self, field)), getattr(entry, field)
                changes[field] = {**before, **value} if isinstance(value, dict) else value
        return self.model_copy(update=changes)

    @staticmethod
    def lasting(section: Mapping[str, Any]) -> dict[str, Any]:
        """What of a configured section decides what an episode is, and so must stay when a run is resumed."""
        kept = {key: value for key, value in section.items() if key not in _PASSING}
        if isinstance(kept.get("models"), Mapping):
            kept["models"] = {name: LitellmConfig.lasting(entry) for name, entry in kept["models"].items()}
        return kept


class ReplayConfig(BaseModel):
    """`[plugin.llm.replay]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    differing: Literal["warn", "refuse"] = "warn"
    """What is done where the conversation is not the recorded one, such as when a program printed a time. `warn` gives
    the reply that was recorded at that place, and says so once; `refuse` fails the episode."""


_PASSING: Final = frozenset(
    {
        "api_base", "backoff_s", "cache", "concurrency", "max_backoff_s", "max_concurrency", "num_retries",
        "timeout_s", "try_timeout_s", "usd_per_million_completion_tokens", "usd_per_million_prompt_tokens",
    }
)  # fmt: skip
"""Options that change where a model is reached, how patiently and at what price, not what it answers."""


def _refuse_keys(section: Mapping[str, Any]) -> None:
    secret = next((name for name in section if _KEYS.search(str(name))), None)
    if secret:
        raise ValueError(
            f"{secret} looks like a key: keys come from the environment, under the name that the provider uses "
            "(OPENAI_API_KEY), and stand in no configuration"
        )


def read_headers(headers: Mapping[str, str], environment: Mapping[str, str]) -> Headers:
    """Headers as they are sent, with what they take from the environment.

    Raises:
        ConfigError: a variable is not set.
    """
    read: Headers = {}
    for name, value in headers.items():
        variable = value.removeprefix(FROM_ENVIRONMENT)
        if variable == value:
            read[name] = value
        elif variable in environment:
            read[name] = environment[variable]
        else:
            raise ConfigError(f"header {name} is to be read from the environment variable {variable}, which is not set")
    return read
