"""Plugins and settings together: what every command and every engine call is handed."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from sandmle.core.contracts.llm import ChatModel, LlmProvider
from sandmle.core.engine.config import Resolved, overridden, resolve
from sandmle.core.engine.settings import Settings
from sandmle.core.hooks.manager import Plugins, load_plugins
from sandmle.core.hooks.registry import Kind, Registry

FALLBACK_PROVIDER = "litellm"
"""Opens every model string whose first part is not itself a registered provider."""


class Toolkit:
    """The assembled toolkit. `cli.py` makes one; a library user makes one with `open_toolkit`.

    Settings are resolved when first asked for, so that help works beside a broken configuration.
    """

    def __init__(
        self,
        *,
        plugins: Plugins,
        settings: Settings | None = None,
        file: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.plugins = plugins
        self._given = settings
        self._file = file
        self._overrides = dict(overrides or {})
        self._providers: dict[str, LlmProvider] = {}

    @cached_property
    def resolved(self) -> Resolved:
        """The settings with the origin of every value that is not a default.

        Raises:
            ConfigError: a layer has an unknown key or a bad value.
        """
        if self._given is not None:
            return Resolved(settings=self._given, origin={})
        return resolve(self.registry, file=self._file, overrides=self._overrides)

    @property
    def settings(self) -> Settings:
        return self.resolved.settings

    @property
    def registry(self) -> Registry:
        return self.plugins.registry

    def override(self, *layers: Mapping[str, Any]) -> "Toolkit":
        """The same toolkit with dotted keys set over everything else; later layers win, and None sets nothing.

        Raises:
            ConfigError: the toolkit was made of settings, and a key is unknown or a value bad; else these are told of
                when the settings are asked for.
        """
        given = {key: value for layer in layers for key, value in layer.items() if value is not None}
        if self._given is not None:
            return Toolkit(plugins=self.plugins, settings=overridden(self.registry, self._given, given))
        return Toolkit(plugins=self.plugins, file=self._file, overrides={**self._overrides, **given})

    def make(self, kind: Kind, name: str) -> Any:
        """Build one registered thing from its configured section.

        Raises:
            ConfigError: unknown name or bad section.
            PluginError: it needs a package that is not installed.
        """
        return self.registry.make(kind, name, self.settings.options(kind, name))

    def lasting_sections(self, kind: Kind) -> dict[str, Any]:
        """A kind's configured sections, without what their plugins say may differ when something is resumed."""
        kept: dict[str, Any] = {}
        for name, section in self.settings.plugin.get(kind.value, {}).items():
            lasting = getattr(self.registry.spec(kind, name).config, "lasting", dict)
            if chosen := lasting(section):
                kept[name] = chosen
        return kept

    def open_model(self, model: str) -> ChatModel:
        """Open a model string, such as `offline/agent` or `openai/gpt-5`.

        Raises:
            ConfigError: no such model.
        """
        prefix = model.partition("/")[0]
        name = prefix if prefix in self.registry.names(Kind.LLM) else FALLBACK_PROVIDER
        # One of each, so that all models of a run share what it knows of how much a provider bears.
        if name not in self._providers:
            self._providers[name] = self.make(Kind.LLM, name)
        with self.registry.blaming(Kind.LLM, name, f"cannot open {model!r}"):
            return self._providers[name].open_model(model)


def open_toolkit(
    *, file: Path | None = None, overrides: Mapping[str, Any] | None = None, strict_plugins: bool = False
) -> Toolkit:
    """Load every plugin and stand ready to resolve the configuration.

    Args:
        file: a TOML file; None takes `sandmle.toml` of the working directory if it is there.
        overrides: dotted key to value, over file and environment.
        strict_plugins: raise on a broken third-party plugin instead of leaving it out.

    Raises:
        PluginError: with `strict_plugins`, any plugin that cannot be loaded.
    """
    return Toolkit(plugins=load_plugins(strict=strict_plugins), file=file, overrides=overrides)
