"""A checkpoint appears whole or not at all, and the directory is nobody else's."""

import resource
import shutil
import signal
from contextlib import contextmanager

import pytest

from sandmle.core.contracts.policy import AdapterShape
from sandmle.core.errors import RunError, StoreError
from sandmle.plugins.trainers.local.output import TrainerState, open_output


@pytest.fixture
def policy(toy, imitator):
    return toy.toy_toolkit().open_model(f"local/{imitator}")


def state(step: int) -> TrainerState:
    return TrainerState(step=step, version=step, optimizer=None, metrics={"step": step, "loss": 0.1 + step})


@contextmanager
def disk_takes(most_bytes: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_checkpoints_before_it_as_they_were(policy, tmp_path):
    with open_output(tmp_path / "out", {}) as output:
        output.save(policy, state(1), keep=2)
        with disk_takes(5_000), pytest.raises(StoreError, match="0002"):
            output.save(policy, state(2), keep=2)
        assert [one.name for one in (tmp_path / "out" / "checkpoints").iterdir()] == ["0001"]
        assert (tmp_path / "out" / "last").resolve().name == "0001"
        assert output.load(1).metrics == {"step": 1, "loss": 1.1}


def test_metrics_that_do_not_fit_the_disk_leave_no_half_a_line(tmp_path):
    with open_output(tmp_path / "out", {}) as output:
        output.record({"step": 1})
        with disk_takes(15), pytest.raises(StoreError):
            output.record({"step": 2, "loss": 0.5})
        assert output.metrics() == [{"step": 1}]


def test_old_checkpoints_go_and_the_best_stays(policy, tmp_path):
    with open_output(tmp_path / "out", {}) as output:
        for step in range(4):
            output.save(policy, state(step), keep=1)
            if step == 1:
                output.mark_best(1)
        assert sorted(one.name for one in (tmp_path / "out" / "checkpoints").iterdir()) == ["0001", "0003"]
        assert output.newest() == 3


def test_the_weights_below_an_adapter_are_written_once_for_all_checkpoints(toy, policy, tmp_path):
    policy.add_adapter(AdapterShape(rank=2), 0)
    with open_output(tmp_path / "out", {}) as output:
        for step in range(4):
            output.save(policy, state(step), keep=2)
        files = [output.checkpoint(step) / "model.safetensors" for step in (2, 3)]
    assert files[0].samefile(files[1])
    # A copy of one checkpoint is whole.
    shutil.copytree(tmp_path / "out" / "last", tmp_path / "copy")
    shutil.rmtree(tmp_path / "out")
    assert toy.toy_toolkit().open_model(f"local/{tmp_path / 'copy'}").context_tokens == 128


def test_a_step_is_recorded_once(tmp_path):
    with open_output(tmp_path / "out", {}) as output:
        output.record({"step": 1, "loss": 0.5})
        output.record({"step": 1, "loss": 0.5})
        assert len(output.metrics()) == 1


def test_what_a_kill_left_half_written_is_no_checkpoint(policy, tmp_path):
    with open_output(tmp_path / "out", {}) as output:
        output.save(policy, state(1), keep=2)
        (tmp_path / "out" / "checkpoints" / "0002.part").mkdir()
        assert output.newest() == 1
        output.save(policy, state(2), keep=2)
        assert output.load(2).step == 2


def test_a_cut_off_trainer_state_is_refused_with_what_to_do(policy, tmp_path):
    with open_output(tmp_path / "out", {}) as output:
        output.save(policy, state(1), keep=2)
        path = output.checkpoint(1) / "trainer.pt"
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(RunError, match="go on from the checkpoint before it"):
            output.load(1)


def test_a_directory_in_use_or_of_something_else_is_refused(tmp_path):
    with (
        open_output(tmp_path / "out", {}),
        pytest.raises(RunError, match="another process"),
        open_output(tmp_path / "out", {}),
    ):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"), open_output(tmp_path / "other", {}):
        pass
