"""A real engine with the default image, once for all tests, and a started sandbox in it."""

import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import pytest_asyncio

from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker.backend import DockerSandbox


def _load(name: str) -> ModuleType:
    """A module beside this file; test folders are no packages."""
    spec = importlib.util.spec_from_file_location(f"docker_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


engines = _load("engines")


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """The address of an engine that has the default image."""
    with engines.private_engine() as private:
        engines.build_image(private.address)
        yield private.address


@pytest.fixture
def private_engine():
    """An engine for this test alone, without an image, which may be stopped."""
    with engines.private_engine() as private:
        yield private


@pytest.fixture
def build_image() -> Callable[[str], None]:
    return engines.build_image


@pytest.fixture(scope="session")
def configure(engine: str) -> Callable[..., DockerConfig]:
    """Makes configurations for the engine and its image; nothing is preloaded unless asked for."""
    return lambda **more: DockerConfig(**{"engine": engine, "image": engines.IMAGE, "preload": (), **more})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox(configure: Callable[..., DockerConfig]) -> AsyncIterator[DockerSandbox]:
    # The environment check can only fail if there is something to find.
    os.environ["SANDMLE_TEST_API_KEY"] = "sk-not-for-the-sandbox"
    made = DockerSandbox(configure(preload=("numpy",)))
    try:
        await made.start()
        yield made
    finally:
        await made.close()
        del os.environ["SANDMLE_TEST_API_KEY"]
