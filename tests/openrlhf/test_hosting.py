"""Episodes are played on another host than the rollout engine's: by an actor that Ray places by a resource."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import tomli_w
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from transformers import AutoTokenizer
from vllm import SamplingParams

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.tasks import write_task
from sandmle.core.errors import ConfigError
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.executor import AgentExecutor
from sandmle.plugins.trainers.openrlhf.files import VARIABLE
from sandmle.plugins.trainers.openrlhf.preflight import check_sandbox_hosts
from sandmle.plugins.trainers.openrlhf.samples import VALID

pytestmark = pytest.mark.openrlhf

SHAPE = PolicyShape(
    layers=1, hidden=16, heads=2, key_value_heads=2, feed_forward=32, context_tokens=8192, vocabulary=300
)
SUBMIT = (
    '<execute>\nimport shutil\nprint(shutil.copy("data/sample_submission.csv", "submission.csv"))\nsubmit()\n</execute>'
)
FINISH = "<solution>submission</solution>"
RESOURCE = "sandboxes"


class RolloutActor:
    """What OpenRLHF's own does for an executor; its engine says a script."""

    def __init__(self, file: str, policy: str) -> None:
        os.environ[VARIABLE] = file
        self.executor = AgentExecutor()
        self.codec = LocalProvider(LocalConfig()).open_codec(f"local/{policy}")
        self.tokenizer = AutoTokenizer.from_pretrained(policy, local_files_only=True)

    async def generate(self, prompt_token_ids, sampling_params, multi_modal_data=None):
        turn = list(prompt_token_ids).count(self.codec.prompt([])[0]) - 1
        ids = [*self.codec.encode([SUBMIT, FINISH][turn]), self.codec.end_id]
        log_probs = [{token: SimpleNamespace(logprob=-0.5)} for token in ids]
        return SimpleNamespace(
            outputs=[SimpleNamespace(token_ids=ids, text="", logprobs=log_probs, finish_reason="stop")]
        )

    async def generate_responses(self, label):
        sampling = SamplingParams(temperature=1.0, top_p=1.0, top_k=-1, max_tokens=4000, min_tokens=1, logprobs=1)
        return await self.executor.execute("asked", label, sampling, 8000, self.tokenizer, self)

    async def pid(self):
        return os.getpid()


@pytest.fixture
def cluster(monkeypatch):
    # On a busy machine, workers that are nice to all others hardly get to import anything.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(num_cpus=2, resources={RESOURCE: 1}, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def training(tmp_path) -> tuple[Path, Path]:
    """A resolved configuration with one task, and a policy."""
    write_task(tmp_path / "tasks", copying_draft())
    LocalProvider(LocalConfig()).create_policy([SUBMIT, FINISH], SHAPE, 3, tmp_path / "policy")
    section = {"policy": str(tmp_path / "policy"), "tasks": str(tmp_path / "tasks"), "sandbox_resource": RESOURCE}
    run = {"scaffold": "codeact", "sandbox": "process", "trackers": [], "max_turns": 3, "infrastructure_retries": 0}
    file = tmp_path / "training" / "config.toml"
    file.parent.mkdir()
    file.write_text(tomli_w.dumps({"run": run, "plugin": {"trainer": {"openrlhf": section}}}))
    return file, tmp_path / "policy"


def test_a_whole_episode_is_played_by_another_process_than_the_rollout_engines(cluster, training):
    file, policy = training
    # As in OpenRLHF, many calls are under way at a time, in a placement group that captures what an actor starts.
    group = placement_group([{"CPU": 1}])
    placed = PlacementGroupSchedulingStrategy(group, placement_group_capture_child_tasks=True)
    engine = ray.remote(RolloutActor).options(num_cpus=1, max_concurrency=16, scheduling_strategy=placed)
    engine = engine.remote(str(file), str(policy))
    found = ray.get(engine.generate_responses.remote("copy"), timeout=600)
    assert found["extra_logs"][VALID] == 1.0, found["failure"]
    assert found["extra_logs"]["valid_submission"] == 1.0
    sampled = [token for start, end in found["action_ranges"] for token in found["observation_tokens"][start:end]]
    codec = LocalProvider(LocalConfig()).open_codec(f"local/{policy}")
    assert codec.decode(sampled) == SUBMIT + FINISH
    [folder] = (file.parent / "rollouts").iterdir()
    pids = {os.getpid(), ray.get(engine.pid.remote())}
    assert not any(f"-{pid}-" in folder.name for pid in pids)
    [episode] = read_episodes(folder)
    assert (episode.task_id, episode.reward.total) == ("copy", found["reward"])


def test_a_cluster_is_asked_for_the_resource_before_anything_starts(cluster):
    address = ray.get_runtime_context().gcs_address
    check_sandbox_hosts(OpenRlhfConfig(ray_address=address, sandbox_resource=RESOURCE))
    with pytest.raises(ConfigError, match=r"'others', and the cluster at .* has no such resource"):
        check_sandbox_hosts(OpenRlhfConfig(ray_address=address, sandbox_resource="others"))
