"""Sizes that the models' own cards give, from their shapes; and where a policy lies."""

import json

import pytest

from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.models import ModelFacts, read_facts, whole_policy
from sandmle.plugins.trainers.recipes import facts_of

# Billions: all weights, and those that one token passes through with its row of the embedding, as the cards count.
CARDS = {
    "Qwen/Qwen3-8B": (8.2, 8.2),
    "Qwen/Qwen3-14B": (14.8, 14.8),
    "Qwen/Qwen3-30B-A3B-Thinking-2507": (30.5, 3.3),
}


@pytest.mark.parametrize("name", CARDS)
def test_parameters_are_those_of_the_card(name):
    facts = facts_of(name)
    everything, active = CARDS[name]
    embedding = facts.vocabulary * facts.hidden
    assert facts.parameters / 1e9 == pytest.approx(everything, abs=0.05)
    # The cards count the embedding's table among what is active.
    assert (facts.active_parameters + embedding) / 1e9 == pytest.approx(active, abs=0.06)


def test_parameters_are_those_that_transformers_makes(tmp_path):
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
    for config, maker in (
        (
            transformers.Qwen3Config(**shape, head_dim=16, intermediate_size=48, vocab_size=100),
            transformers.Qwen3ForCausalLM,
        ),
        (
            transformers.Qwen3Config(
                **shape, head_dim=8, intermediate_size=48, vocab_size=100, tie_word_embeddings=True
            ),
            transformers.Qwen3ForCausalLM,
        ),
        (
            transformers.Qwen3MoeConfig(
                **shape, head_dim=8, moe_intermediate_size=20, vocab_size=100, num_experts=6, num_experts_per_tok=2
            ),
            transformers.Qwen3MoeForCausalLM,
        ),
    ):
        module = maker(config)
        config.save_pretrained(tmp_path)
        facts = read_facts(tmp_path)
        assert facts.parameters == sum(one.numel() for one in module.parameters())


def test_adapter_parameters_are_those_that_peft_adds(tmp_path):
    transformers, peft = pytest.importorskip("transformers"), pytest.importorskip("peft")
    config = transformers.Qwen3Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=48,
        vocab_size=100,
    )
    targets = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
    module = transformers.Qwen3ForCausalLM(config)
    adapted = peft.get_peft_model(module, peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=list(targets)))
    config.save_pretrained(tmp_path)
    added = sum(one.numel() for name, one in adapted.named_parameters() if "lora_" in name)
    assert read_facts(tmp_path).adapter_parameters(4, targets) == added


def test_a_folder_without_a_shape_gives_none_and_a_broken_one_says_so(tmp_path):
    assert read_facts(tmp_path) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "other"}))
    assert read_facts(tmp_path) is None
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json cannot be read"):
        read_facts(tmp_path)


def test_a_trainers_output_directory_gives_the_facts_of_its_checkpoint(tmp_path):
    checkpoint = tmp_path / "best"
    checkpoint.mkdir()
    facts = facts_of("Qwen/Qwen3-8B")
    assert isinstance(facts, ModelFacts)
    (checkpoint / "config.json").write_text(
        json.dumps(
            {
                "num_hidden_layers": 2,
                "hidden_size": 8,
                "num_attention_heads": 2,
                "intermediate_size": 16,
                "vocab_size": 10,
                "max_position_embeddings": 64,
            }
        )
    )
    assert read_facts(tmp_path).key_value_heads == 2


def checkpoint(folder, adapter=None):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    if adapter is not None:
        (folder / adapter).mkdir(exist_ok=True)
        (folder / adapter / "adapter_config.json").write_text("{}")
    return folder


def test_an_output_directory_stands_for_the_checkpoint_in_it(tmp_path):
    local = checkpoint(tmp_path / "local" / "checkpoints" / "0003")
    (tmp_path / "local" / "best").symlink_to(local)
    openrlhf = checkpoint(tmp_path / "openrlhf" / "policy")
    assert whole_policy(str(tmp_path / "local")) == str(local)
    assert whole_policy(str(tmp_path / "openrlhf")) == whole_policy(str(openrlhf)) == str(openrlhf)
    assert whole_policy("Qwen/Qwen3-8B") == "Qwen/Qwen3-8B"


@pytest.mark.parametrize("place", [".", "policy", "last"])
@pytest.mark.parametrize("adapter", [".", "adapter"])
def test_an_adapter_is_not_left_behind_in_silence(tmp_path, place, adapter):
    checkpoint(tmp_path / "run" / place, adapter)
    with pytest.raises(ConfigError, match=r"LoRA adapter.*sandmle train export .*run --merge DIR"):
        whole_policy(str(tmp_path / "run"))


@pytest.mark.parametrize("policy", ["/no/where", "./here", "../up", "~/home", "runs/a/b"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_name(policy):
    with pytest.raises(ConfigError, match="is no folder that is there"):
        whole_policy(policy)


def test_a_file_is_not_taken_for_a_name(tmp_path, monkeypatch):
    (tmp_path / "weights").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="is no folder that is there"):
        whole_policy("weights")


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no policy: no config\.json"):
        whole_policy(str(tmp_path))
