"""The plugin's own tests: it is found, it passes the shipped conformance suite, it pays what it says."""

from sandmle import Kind, open_toolkit
from sandmle.core.conformance.scaffold import check_scaffold

PROGRAM = ["Here it is.\n```python\nprint('done')\n```"]


def test_the_package_registers_its_scaffold_and_milestone():
    registry = open_toolkit().registry
    assert "one-call" in registry.names(Kind.SCAFFOLD)
    assert "frugal" in registry.names(Kind.MILESTONE)


async def test_the_scaffold_passes_the_conformance_suite():
    await check_scaffold(open_toolkit().make(Kind.SCAFFOLD, "one-call"), PROGRAM)
