"""The built-in sandboxes and the commands to try them by hand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec
from sandmle.plugins.sandboxes.config import DockerConfig, JupyterConfig, ProcessConfig

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.sandbox import Sandbox


@hookimpl
def sandmle_register_sandboxes() -> "Sequence[Spec[Sandbox]]":
    """`process` forks from a preloaded interpreter, `docker` does so in a container; `jupyter` runs kernels."""
    return (
        Spec(
            name="process",
            summary="Sessions forked from a preloaded, enclosed interpreter: fast, the default.",
            make=_make_process,
            config=ProcessConfig,
        ),
        Spec(
            name="jupyter",
            summary="One enclosed Jupyter kernel for each session.",
            make=_make_jupyter,
            config=JupyterConfig,
            extra="jupyter",
        ),
        Spec(
            name="docker",
            summary="Sessions forked from a preloaded interpreter inside a hardened container.",
            make=_make_docker,
            config=DockerConfig,
            extra="docker",
        ),
    )


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle sandbox`."""
    from sandmle.plugins.sandboxes.commands import sandbox_app

    app.add_typer(sandbox_app, name="sandbox")


def _make_process(config: ProcessConfig) -> "Sandbox":
    from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

    return ProcessSandbox(config)


def _make_jupyter(config: JupyterConfig) -> "Sandbox":
    from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox

    sandbox: Sandbox = JupyterSandbox(config)
    return sandbox


def _make_docker(config: DockerConfig) -> "Sandbox":
    from sandmle.plugins.sandboxes.docker.backend import DockerSandbox

    return DockerSandbox(config)
