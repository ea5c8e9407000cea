import errno
from pathlib import Path

import pytest

from sandmle.core.errors import (
    ConfigError,
    ProviderError,
    RunError,
    SandboxError,
    StoreError,
    UsageError,
    boundary,
    cannot_write,
    nearest,
)


def test_boundary_attributes_a_foreign_exception_to_the_crossing():
    with (
        pytest.raises(SandboxError, match="starting the zygote: OSError: no space") as caught,
        boundary(SandboxError, "starting the zygote"),
    ):
        raise OSError("no space")
    assert isinstance(caught.value.__cause__, OSError)


def test_boundary_lets_attributed_errors_and_interrupts_pass():
    with pytest.raises(ProviderError), boundary(SandboxError, "x"):
        raise ProviderError("theirs")
    with pytest.raises(KeyboardInterrupt), boundary(SandboxError, "x"):
        raise KeyboardInterrupt


def test_nearest_names_the_close_word_or_lists_what_there_is():
    assert nearest("proces", ["process", "jupyter"]) == "did you mean 'process'?"
    assert nearest("zzz", ["process", "jupyter"]) == "known: jupyter, process"
    assert nearest("zzz", []) == "known: none"


def test_a_config_error_is_not_the_machinery():
    assert not issubclass(ConfigError, SandboxError)


def test_an_output_that_cannot_be_written_is_the_users_error_unless_the_machine_is_out_of_means():
    named, full = OSError(errno.ENOTDIR, "Not a directory"), OSError(errno.ENOSPC, "No space left on device")
    assert type(cannot_write(Path("a/b"), named)) is UsageError
    assert type(cannot_write(Path("a/b"), named, RunError)) is RunError
    assert type(cannot_write(Path("a/b"), full, RunError)) is StoreError
    assert str(cannot_write(Path("a/b"), full)) == "cannot write a/b: No space left on device"
    assert str(cannot_write(Path("a/b"), OSError("short write"))) == "cannot write a/b: short write"
