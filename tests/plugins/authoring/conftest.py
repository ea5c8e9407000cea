"""One package of every kind, written once, and the metadata that pip would have written for them."""

from collections.abc import Mapping

import pytest

from sandmle.core.hooks.manager import load_plugins
from sandmle.plugins.authoring.kinds import KINDS
from sandmle.plugins.authoring.naming import names_for
from sandmle.plugins.authoring.source import PackageSource, read_source
from sandmle.plugins.authoring.writing import write_package


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, PackageSource]:
    """Kind to a new package `my-KIND` of it."""
    parent, registry = tmp_path_factory.mktemp("packages"), load_plugins().registry
    for kind in KINDS:
        write_package(kind, names_for(f"my-{kind.word}", kind, registry), parent)
    return {kind.word: read_source(parent / f"my-{kind.word}") for kind in KINDS}


@pytest.fixture(scope="session")
def as_installed(packages: Mapping[str, PackageSource], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Places for PYTHONPATH under which all of them are found like installed packages."""
    metadata = tmp_path_factory.mktemp("metadata")
    for source in packages.values():
        info = metadata / f"{source.name.replace('-', '_')}-{source.version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {source.name}\nVersion: {source.version}\n")
        points = "".join(f"{name} = {value}\n" for name, value in source.entry_points.items())
        (info / "entry_points.txt").write_text(f"[sandmle]\n{points}")
    return [str(metadata), *(str(source.root / "src") for source in packages.values())]
