"""Plugins and settings together: what every command and every engine call is handed."""

from dataclasses import dataclass
from typing import Any

from sandmle.core.contracts.llm import ChatModel, LlmProvider
from sandmle.core.engine.settings import Settings
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registry

FALLBACK_PROVIDER = "litellm"
"""Opens every model string whose first part is not itself a registered provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """The assembled toolkit. `cli.py` makes one; a library user makes one with `open_toolkit`."""

    plugins: Plugins
    settings: Settings

    @property
    def registry(self) -> Registry:
        return self.plugins.registry

    def make(self, kind: Kind, name: str) -> Any:
        """Build one registered thing from its configured section.

        Raises:
            ConfigError: unknown name or bad section.
            PluginError: it needs a package that is not installed.
        """
        return self.registry.make(kind, name, self.settings.options(kind, name))

    def open_model(self, model: str) -> ChatModel:
        """Open a model string, such as `offline/agent` or `openai/gpt-5`.

        Raises:
            ConfigError: no such model.
        """
        prefix = model.partition("/")[0]
        name = prefix if prefix in self.registry.names(Kind.LLM) else FALLBACK_PROVIDER
        provider: LlmProvider = self.make(Kind.LLM, name)
        return provider.open_model(model)
