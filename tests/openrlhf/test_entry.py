"""Our classes stand in OpenRLHF's command line, also in the processes that Ray starts; nothing of it is forked."""

import sys
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import ray
from openrlhf.trainer import ppo_trainer
from openrlhf.trainer.ray import ppo_actor

from sandmle.plugins.trainers.openrlhf import entry
from sandmle.plugins.trainers.openrlhf.actor import SegmentActor
from sandmle.plugins.trainers.openrlhf.controller import SegmentTrainer

FLAGS = (
    *("--actor.model_name_or_path", "tiny", "--train.agent_func_path", "agent.py", "--data.prompt_dataset", "none"),
    *("--vllm.num_engines", "1", "--actor.num_gpus_per_node", "1", "--ref.num_gpus_per_node", "1"),
    *("--algo.advantage.estimator", "group_norm", "--algo.kl.init_coef", "0"),
    *("--rollout.batch_size", "2", "--rollout.n_samples_per_prompt", "4", "--train.batch_size", "8"),
)


@pytest.fixture
def restored():
    """OpenRLHF's own classes stand there again in the end."""
    actor, trainer, words = ppo_actor.PolicyModelActor, ppo_trainer.PPOTrainer, sys.argv
    yield
    ppo_actor.PolicyModelActor, ppo_trainer.PPOTrainer, sys.argv = actor, trainer, words


def test_openrlhfs_command_line_finds_our_classes_and_its_parser_takes_the_flags(restored):
    seen = {}

    class _SeenError(Exception):
        pass

    def stop():
        frame = sys._getframe(1)
        seen.update(frame.f_globals, args=frame.f_locals["args"])
        raise _SeenError

    with patch.object(ray, "is_initialized", stop), pytest.raises(_SeenError):
        entry.main(FLAGS)
    assert seen["PolicyModelActor"].__ray_metadata__.modified_class is SegmentActor
    assert ppo_trainer.PPOTrainer.__ray_metadata__.modified_class is SegmentTrainer
    assert seen["args"].rollout.n_samples_per_prompt == 4


@pytest.mark.parametrize("flag", sorted(entry.REFUSED))
def test_flags_that_would_mix_policies_are_refused_with_the_reason(flag):
    with pytest.raises(SystemExit, match=f"{flag}: .*leave it out"):
        entry.main([*FLAGS, flag])


@pytest.mark.parametrize("kind", [SegmentActor, SegmentTrainer])
def test_ray_hands_our_classes_to_its_workers_by_name_so_that_they_import_them(kind):
    """By value, a worker would run them with OpenRLHF's stock globals around them."""
    handed = ray.cloudpickle.dumps(kind)
    assert len(handed) < 200
    assert kind.__module__.encode() in handed
    assert ray.cloudpickle.loads(handed) is kind


def test_the_processes_that_ray_starts_run_our_classes(build, restored, monkeypatch):
    # On a busy machine, workers that are nice to all others hardly get to import anything.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    entry.install()
    args = build.settings("--ds.load_in_4bit", "--rollout.temperature", "0.5")
    ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    try:
        actor = ppo_actor.PolicyModelActor.options(num_cpus=0.1, num_gpus=0.1).remote(1, 0, None, None)
        with pytest.raises(ray.exceptions.RayTaskError, match="4-bit"):
            ray.get(actor.init_model_from_pretrained.remote(SimpleNamespace(args=args), "tiny"), timeout=300)
        trainer = ppo_trainer.PPOTrainer.remote("tiny", SimpleNamespace(args=args), None, None, None, None, [])
        with pytest.raises(ray.exceptions.RayActorError, match="another temperature"):
            ray.get(trainer.get_max_steps.remote(), timeout=300)
    finally:
        ray.shutdown()
