"""The graphs in the documentation are the graphs that run."""

from pathlib import Path

import pytest

from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind

DOCS = Path(__file__).parents[2] / "docs"
TOOLKIT = Toolkit(plugins=load_plugins(builtins=("sandmle.scaffolds.plugin",)))
NAMES = TOOLKIT.registry.names(Kind.SCAFFOLD)
TREES = ("aide", "aira")


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_picture_is_the_graphs_picture(name):
    picture = (DOCS / "graphs" / f"{name}.mmd").read_text("utf-8")
    assert picture.strip() == TOOLKIT.make(Kind.SCAFFOLD, name).mermaid().strip()


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_stands_in_the_page_about_the_scaffold(name):
    page = (DOCS / ("tree-search.md" if name in TREES else "scaffolds.md")).read_text("utf-8")
    picture = (DOCS / "graphs" / f"{name}.mmd").read_text("utf-8")
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert f"```mermaid\n{picture.strip()}\n```" in section


@pytest.mark.parametrize("name", NAMES)
def test_every_scaffold_has_a_section_of_its_own(name):
    page = (DOCS / "scaffolds.md").read_text("utf-8")
    assert f"\n## {name}\n" in page
    assert f"graphs/{name}.mmd" in page
    for option in TOOLKIT.registry.spec(Kind.SCAFFOLD, name).config.model_fields:
        assert f"`{option}`" in page
