"""Lays a recipe under what a person said: defaults < recipe < file < environment < command line."""

from collections.abc import Mapping
from typing import Any

from sandmle.core.engine.toolkit import Toolkit
from sandmle.plugins.trainers.recipes import Recipe, read_recipe


def with_recipe(
    toolkit: Toolkit, name: str | None, trainer: str, adapter: bool | None, given: Mapping[str, Any]
) -> tuple[Toolkit, Recipe | None]:
    """The toolkit with the command line's keys over all, and a recipe's below all that anybody set.

    Args:
        toolkit: as the program was started.
        name: of the recipe; None for none.
        trainer: whose keys of the recipe are taken.
        adapter: `--lora` or `--full`; None for neither.
        given: dotted keys of the command line; None values say nothing.

    Raises:
        ConfigError: no such recipe, or not for this trainer.
    """
    said = toolkit.override(given)
    if name is None:
        return said, None
    recipe = read_recipe(name, adapter)
    layer = recipe.overrides(trainer)
    if trainer == "openrlhf":
        layer[f"plugin.trainer.{trainer}.policy"] = recipe.model
    origin = said.resolved.origin
    return toolkit.override({key: value for key, value in layer.items() if key not in origin}, given), recipe
