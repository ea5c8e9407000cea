"""Kernels of other makers, started cold from the kernel specification that the user names."""

import os
import sys
from dataclasses import dataclass
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from sandmle.core.errors import SandboxError, nearest

_OUR_PYTHONS = {"python", f"python{sys.version_info.major}", f"python{sys.version_info.major}.{sys.version_info.minor}"}
"""Words that jupyter_client takes for the interpreter it runs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to exec inside the enclosure."""

    argv: tuple[str, ...]
    """With `{connection_file}` in the place of the file's path."""
    environment: dict[str, str]
    readable: tuple[str, ...]
    """Paths of this machine that it needs, beside those of our own interpreter."""

    language: str
    """In lower case, as the specification says."""

    def as_data(self) -> dict[str, Any]:
        """For the order to the process that execs it."""
        return {"argv": self.argv, "environment": self.environment}


def find_program(name: str, readable: tuple[str, ...]) -> Program:
    """Look the kernel `name` up where Jupyter does.

    Args:
        name: As `jupyter kernelspec list` shows it.
        readable: More directories that it needs.

    Raises:
        SandboxError: there is no such kernel.
    """
    manager = KernelSpecManager()
    try:
        spec = manager.get_kernel_spec(name)
    except NoSuchKernel:
        known = sorted(manager.find_kernel_specs())
        raise SandboxError(
            f"no Jupyter kernel is named {name!r} ({nearest(name, known)}); `jupyter kernelspec list` shows them"
        ) from None
    words = [word.replace("{resource_dir}", spec.resource_dir).replace("{prefix}", sys.prefix) for word in spec.argv]
    if words[0] in _OUR_PYTHONS:
        words[0] = sys.executable
    wanted = (spec.resource_dir, *_around(words[0]), *readable)
    return Program(
        argv=tuple(words),
        language=spec.language.lower(),
        environment={key: str(value) for key, value in spec.env.items()},
        readable=tuple(dict.fromkeys(path for path in wanted if os.path.exists(path))),
    )


def _around(program: str) -> list[str]:
    """Where a program at `PREFIX/bin/NAME` has its libraries, followed to where links lead."""
    if not os.path.isabs(program):
        return []
    prefixes = {os.path.dirname(os.path.dirname(path)) for path in (program, os.path.realpath(program))}
    return [
        f"{prefix}/{name}" for prefix in sorted(prefixes - {"", "/"}) for name in ("bin", "lib", "lib64", "pyvenv.cfg")
    ]
