"""Whatever OpenRLHF would stumble over is refused before anything starts, in words."""

import json

import pytest

from sandmle.core.engine.settings import RunSettings
from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.constraints import check, warnings
from sandmle.plugins.trainers.openrlhf.placement import place
from sandmle.plugins.trainers.openrlhf.segments import refuse_segments
from sandmle.plugins.trainers.recipes import facts_of

QWEN = "Qwen/Qwen3-8B"
WEIGHTS = {"gold": 1.0}


def checked(config: dict, run: dict | None = None, weights: dict | None = None) -> None:
    section = OpenRlhfConfig.model_validate({"policy": QWEN, **config})
    facts = facts_of(section.policy)
    check(section, place(section, facts), facts, RunSettings.model_validate(run or {}), weights or WEIGHTS)


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
@pytest.mark.parametrize("nodes", [1, 2])
def test_the_defaults_can_be_trained(gpus, nodes):
    checked({"gpus": gpus, "nodes": nodes})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"engine": {"tensor_parallel": 3}}, "tensor_parallel = 3 does not divide the 8 GPUs"),
        ({"gpus": 1, "engine": {"tensor_parallel": 2}}, "tensor_parallel = 2 does not divide the 1 GPUs"),
        ({"gpus": 6, "engine": {"tensor_parallel": 6}, "grpo": {"tasks_per_step": 6}}, "the 32 attention heads"),
        ({"gpus": 1, "engine": {"colocate": False}}, "need one each"),
        ({"gpus": 8, "engine": {"colocate": False, "tensor_parallel": 8}}, r"half of 8"),
        ({"engine": {"sequence_parallel": 3}}, "sequence_parallel = 3 does not divide"),
        ({"engine": {"sequence_parallel": 2, "packing": False, "attention": "sdpa"}}, "above 1 forces packing"),
        ({"engine": {"dtype": "fp16"}}, "vLLM in bf16 only"),
        ({"engine": {"attention": "sdpa"}}, "packing needs flash attention"),
        ({"engine": {"dynamic_batch": True, "packing": False}}, "dynamic_batch forces packing"),
        ({"gpus": 1, "engine": {"dynamic_batch": True, "batch_tokens": 1000}}, "below the 40960 tokens"),
        ({"grpo": {"minibatches": 3}}, "minibatches = 3 does not divide the 64 trajectories"),
        ({"grpo": {"tasks_per_step": 1, "group_size": 2}, "engine": {"sequence_parallel": 1}}, "fewer than 8"),
        (
            {"grpo": {"tasks_per_step": 3, "group_size": 4}, "engine": {"sequence_parallel": 1}},
            "cannot be shared evenly",
        ),
        ({"grpo": {"scheduler": "cosine_with_min"}}, "did you mean 'cosine_with_min_lr'"),
        ({"grpo": {"scheduler": "warmup_stable_decay"}}, "is no schedule that OpenRLHF can be given"),
        ({"grpo": {"filter_range": [0.9, 0.1]}}, "the first must be below the second"),
        ({"grpo": {"adapter": True}, "lora": {"targets": []}}, "targets is empty"),
        ({"correction": {"threshold": [5, 1]}}, "the first must be below the second"),
        ({"correction": {"level": "seq"}}, 'set correction.mode to "mask"'),
        ({"correction": {"level": "off"}, "run": {"temperature": 0.7}}, "another temperature than it samples at"),
        ({"response_tokens": 40_000}, "more than the 40960 tokens"),
        ({"response_tokens": 1000}, "run.max_tokens = 4096 tokens of one reply are more"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config, words):
    run = config.get("run")
    with pytest.raises(ConfigError, match=words):
        checked({name: value for name, value in config.items() if name != "run"}, run)


@pytest.mark.parametrize(
    ("run", "words"),
    [({"temperature": 0.0}, "run.temperature = 0"), ({"rng_seed": -1}, "seeds from 0"), ({"rng_seed": 2**40}, "seeds")],
)
def test_settings_of_the_run_that_openrlhf_cannot_take_are_refused(run, words):
    with pytest.raises(ConfigError, match=words):
        checked({}, run)


def test_rewards_that_openrlhf_would_clip_are_refused():
    with pytest.raises(ConfigError, match="come to 60, and OpenRLHF clips rewards to 10"):
        checked({}, weights={"gold": 50.0, "format": 10.0})


def test_all_problems_are_said_at_once():
    with pytest.raises(ConfigError) as refused:
        checked({"grpo": {"minibatches": 3, "scheduler": "x"}, "engine": {"dtype": "fp16", "tensor_parallel": 3}})
    # Three GPUs an engine divide neither the GPUs nor the heads.
    assert str(refused.value).count("\n  - ") == 5


def test_a_lora_alpha_that_is_no_whole_number_is_refused():
    with pytest.raises(ValueError, match="alpha"):
        OpenRlhfConfig.model_validate({"lora": {"alpha": 1.5}})


@pytest.mark.parametrize(
    ("scaffold", "options", "words"),
    [
        ("aide", {}, "'aide' branches"),
        ("aira", {}, "'aira' branches"),
        ("mle_agent", {"history_length": 4}, "'mle_agent' prunes its history"),
    ],
)
def test_scaffolds_with_several_segments_are_refused_by_name_until_proven(scaffold, options, words):
    with pytest.raises(ConfigError, match=words):
        refuse_segments(scaffold, options, proven=False)
    refuse_segments(scaffold, options, proven=True)


@pytest.mark.parametrize(("scaffold", "options"), [("react", {}), ("codeact", {}), ("mle_agent", {})])
def test_scaffolds_whose_conversations_only_grow_are_taken(scaffold, options):
    refuse_segments(scaffold, options, proven=False)


def warned(config: dict) -> str:
    section = OpenRlhfConfig.model_validate({"policy": QWEN, **config})
    facts = facts_of(section.policy)
    return "\n".join(warnings(section, place(section, facts), facts))


def test_what_does_not_fit_a_gpu_is_warned_of():
    assert warned({"gpus": 8}) == ""
    assert "training needs about" in warned({"gpus": 1})
    assert "vLLM's weights take about" in warned({"gpus": 1, "gpu_memory_gb": 24})


def test_an_unknown_model_is_warned_of_and_placed_as_a_small_one():
    section = OpenRlhfConfig(policy="nobody/nothing")
    assert "is not known here" in warnings(section, place(section, None), None)[0]


def test_merging_an_adapter_without_importance_correction_is_warned_of():
    assert "rounds small adapters away" in warned({"grpo": {"adapter": True}, "correction": {"level": "off"}})


def test_an_adapter_on_a_tied_head_is_refused(tmp_path):
    shape = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
    tied = {**shape, "vocab_size": 100, "max_position_embeddings": 65_536, "tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(tied))
    with pytest.raises(ConfigError, match="would never be heard"):
        checked({"policy": str(tmp_path), "grpo": {"adapter": True}, "lora": {"targets": ["q_proj", "lm_head"]}})
    checked({"policy": str(tmp_path), "grpo": {"adapter": True}, "lora": {"targets": ["q_proj"]}})
