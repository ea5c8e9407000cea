"""GPUs are shared out so that what has to be equal is equal."""

import pytest

from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.placement import GIB, memory_need, place
from sandmle.plugins.trainers.recipes import facts_of


def placed(policy: str, **config):
    section = OpenRlhfConfig.model_validate({"policy": policy, **config})
    return section, place(section, facts_of(policy))


@pytest.mark.parametrize("policy", ["Qwen/Qwen3-8B", "Qwen/Qwen3-14B", "Qwen/Qwen3-30B-A3B-Thinking-2507"])
@pytest.mark.parametrize(("gpus", "nodes"), [(1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (8, 4)])
def test_colocated_engines_use_all_gpus(policy, gpus, nodes):
    _, found = placed(policy, gpus=gpus, nodes=nodes)
    assert found.engines * found.tensor_parallel == gpus * nodes == found.nodes * found.training_gpus
    assert gpus % found.sequence_parallel == 0


def test_without_colocation_half_of_each_node_generates():
    _, found = placed("Qwen/Qwen3-8B", gpus=8, nodes=2, engine={"colocate": False})
    assert (found.training_gpus, found.engines * found.tensor_parallel) == (4, 8)


def test_large_weights_are_shared_and_small_ones_are_not():
    assert placed("Qwen/Qwen3-8B")[1].tensor_parallel == 1
    assert placed("Qwen/Qwen3-30B-A3B-Thinking-2507")[1].tensor_parallel == 4


def test_a_sequence_is_shared_until_its_logits_fit():
    config, found = placed("Qwen/Qwen3-8B")
    facts = facts_of("Qwen/Qwen3-8B")
    logits = config.max_tokens * facts.vocabulary * 4
    assert logits / found.sequence_parallel <= 8 * GIB < logits / found.sequence_parallel * 2
    short, alone = placed("Qwen/Qwen3-8B", prompt_tokens=1000, response_tokens=4096)
    assert alone.sequence_parallel == 1
    assert placed("Qwen/Qwen3-8B", engine={"attention": "sdpa", "packing": False})[1].sequence_parallel == 1
    assert short.max_tokens == 5096


def test_more_gpus_an_adapter_and_offloading_take_less_memory_of_each():
    def need(**config):
        section, found = placed("Qwen/Qwen3-8B", **config)
        return memory_need(section, found, facts_of("Qwen/Qwen3-8B")).training_gb

    assert need(gpus=8) < need(gpus=1)
    assert need(grpo={"adapter": True}) < need()
    assert need(engine={"offload_optimizer": True}) < need()
    assert need(engine={"zero_stage": 3}) < need()
