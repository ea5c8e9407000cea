"""Renders prompt files strictly: a missing field raises instead of leaving a hole in the prompt."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template


def render_prompt(package: str, name: str, **fields: object) -> str:
    """Render `name`, a file in the folder `prompts` of `package`, with `fields`.

    Values are inserted as they are; nothing inside them is rendered again.

    Raises:
        jinja2.UndefinedError: the prompt uses a field that was not given.
        FileNotFoundError: there is no such prompt.
    """
    return _template(package, name).render(fields).strip()


# Compiling a prompt takes a hundred times as long as rendering it, and a tree search renders three at every step.
@cache
def _template(package: str, name: str) -> Template:
    source = files(package).joinpath("prompts", name).read_text("utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    return environment.from_string(source)
