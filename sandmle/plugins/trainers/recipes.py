"""Named configurations for both trainers, read from `recipes.toml` beside this file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import ConfigError, nearest
from sandmle.plugins.trainers.models import ModelFacts, facts_from_config, read_facts

TRAINERS: Final = ("local", "openrlhf")
METHODS: Final = ("full", "lora")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One named configuration."""

    name: str
    summary: str
    text: str
    """Where it is from, and where it differs from that."""
    model: str | None
    """Hugging Face name of the policy it starts from; None for one made here."""
    trainers: tuple[str, ...]
    """Those it has words for."""
    values: Mapping[str, Mapping[str, Any]]
    """Per trainer, dotted configuration keys with their values."""
    assume: Mapping[str, Any]
    """What its estimate assumes otherwise than all others."""

    def overrides(self, trainer: str) -> dict[str, Any]:
        """Dotted configuration keys for one trainer.

        Raises:
            ConfigError: it is not for that trainer.
        """
        if trainer not in self.trainers:
            raise ConfigError(
                f"recipe {self.name!r} is for the trainer {' and '.join(self.trainers)}, not for {trainer}; "
                f"add --trainer {self.trainers[0]}"
            )
        return dict(self.values[trainer])


def recipe_names() -> list[str]:
    """All recipes, as they stand in the file."""
    return list(_read()["recipes"])


def read_recipe(name: str, adapter: bool | None = None) -> Recipe:
    """A recipe by its name; `qwen3-8b` means `qwen3-8b-full`, and with an adapter `qwen3-8b-lora`.

    Args:
        name: as a person types it.
        adapter: what the person said about LoRA beside it; None for nothing.

    Raises:
        ConfigError: there is none, or it contradicts `adapter`.
    """
    known = recipe_names()
    method = METHODS[bool(adapter)]
    if name not in known and f"{name}-{method}" in known:
        name = f"{name}-{method}"
    if name not in known:
        raise ConfigError(f"no recipe named {name!r}; {nearest(name, known)}")
    ends_otherwise = name.endswith(f"-{METHODS[not adapter]}")
    if adapter is not None and ends_otherwise:
        other = f"{name.rpartition('-')[0]}-{method}"
        raise ConfigError(f"recipe {name!r} contradicts {'--lora' if adapter else '--full'}; take {other!r}")
    return _assemble(name)


def facts_of(policy: str | None) -> ModelFacts | None:
    """The shape of a policy by its Hugging Face name or folder; None where it is not known.

    Raises:
        ConfigError: a folder's `config.json` cannot be read.
    """
    if policy is None:
        return None
    config = _read()["models"].get(policy)
    return facts_from_config(policy, config) if config else read_facts(Path(policy).expanduser())


def _assemble(name: str) -> Recipe:
    found = _read()
    recipe = found["recipes"][name]
    parts = [found["parts"][part] for part in recipe["uses"]]
    trainers = tuple(one for one in TRAINERS if any(one in part for part in parts))
    return Recipe(
        name=name,
        summary=recipe["summary"],
        text="\n".join(part["text"].strip() for part in parts if "text" in part),
        model=next((part["model"] for part in parts if "model" in part), None),
        trainers=trainers,
        values={trainer: _values(parts, trainer) for trainer in trainers},
        assume={key: value for part in parts for key, value in part.get("assume", {}).items()},
    )


def _values(parts: list[dict[str, Any]], trainer: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in parts:
        values |= part.get("set", {})
        for key, value in part.get(trainer, {}).items():
            values[key if key.startswith("plugin.") else f"plugin.trainer.{trainer}.{key}"] = value
    return values


def _read() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("recipes.toml").read_text("utf-8"))
