import os
from pathlib import Path

import pytest

from sandmle.core.engine.outputs import check_output
from sandmle.core.engine.rescore import rescore
from sandmle.core.engine.store import open_store
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import UsageError


def test_a_file_of_ones_own_a_folder_and_a_free_name_may_be_written(tmp_path):
    (tmp_path / "mine").touch()
    for path in (tmp_path, tmp_path / "mine", tmp_path / "new", tmp_path / ("a" * 300)):
        check_output(path)


def test_devices_and_pipes_are_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(UsageError, match="device or a pipe"):
            check_output(path)


def test_the_link_that_stands_for_the_standard_output_is_never_replaced():
    # Whether it leads to a file, a pipe or nowhere depends on who runs the tests.
    if not os.path.islink("/dev/stdout"):
        pytest.skip("/dev/stdout is no link here")
    for path in ("/dev/stdout", "/dev/../dev/stdout"):
        with pytest.raises(UsageError, match="device or a pipe"):
            check_output(Path(path))


@pytest.mark.parametrize("name", ["episodes.jsonl", "usage.jsonl", "config.toml"])
def test_a_run_is_not_rescored_over_its_own_records(tmp_path, name):
    with open_store(tmp_path / "run", {"run": {}}):
        pass
    with pytest.raises(UsageError, match="record of a run"):
        rescore(open_toolkit(), tmp_path / "run", "sparse", tmp_path / "run" / name)
