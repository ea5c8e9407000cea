"""What is sent to the rollout engine has a checkpoint's names, and computes what the adapted module computes."""

import warnings
from contextlib import contextmanager

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

from sandmle.core.errors import PluginError
from sandmle.plugins.trainers.openrlhf.merging import adapted_names, merged_weights, refuse_unsent

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def moe():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Qwen3MoeForCausalLM(
            Qwen3MoeConfig(
                vocab_size=64,
                hidden_size=16,
                intermediate_size=32,
                moe_intermediate_size=8,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                num_experts=4,
                num_experts_per_tok=2,
                initializer_range=0.2,
            )
        ).eval()


def adapted(module, *, targets, rng_seed=2, **changes):
    """An adapter on the module, with weights that are not zero."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(rng_seed)
        config = {"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": targets, **changes}
        made = get_peft_model(module, LoraConfig(**config))
        for name, parameter in made.named_parameters():
            if ".lora_" in name:
                torch.nn.init.normal_(parameter, std=0.05)
    return made.eval()


MODELS = {
    "dense": (lambda build: build.qwen3(), PROJECTIONS),
    "dense, head": (lambda build: build.qwen3(), [*PROJECTIONS, "lm_head"]),
    "dense, all-linear": (lambda build: build.qwen3(), "all-linear"),
    "tied": (lambda build: build.qwen3(tie_word_embeddings=True), PROJECTIONS),
    "dense, embedding": (lambda build: build.qwen3(), ["q_proj", "embed_tokens"]),
    "experts": (lambda build: moe(), PROJECTIONS),
    "experts, all-linear": (lambda build: moe(), "all-linear"),
}


@pytest.fixture(params=MODELS)
def case(request, build, tmp_path):
    """An adapted module, and the names and shapes of the checkpoint that it was opened from."""
    make, targets = MODELS[request.param]
    make(build).save_pretrained(tmp_path / "base")
    stored = load_file(tmp_path / "base" / "model.safetensors")
    module = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype="float32")
    return adapted(module, targets=targets), {name: tensor.shape for name, tensor in stored.items()}


def test_names_and_shapes_are_those_of_the_checkpoint_and_each_comes_once(case):
    module, stored = case
    sent = list(merged_weights(module))
    assert {name: tensor.shape for name, tensor in sent} == stored
    assert len(sent) == len(stored)


def test_an_engine_that_loads_what_is_sent_computes_the_adapted_modules_logits(case, tmp_path):
    module, _ = case
    folder = tmp_path / "engine"
    module.get_base_model().config.save_pretrained(folder)
    save_file(dict(merged_weights(module)), folder / "model.safetensors", {"format": "pt"})
    engine = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    ids = torch.randint(0, 64, (3, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = module(input_ids=ids).logits, engine(input_ids=ids).logits
        with module.disable_adapter():
            plain = module(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert (plain - theirs).abs().max() > 1e-3


def test_merging_changes_no_weight_however_often_it_is_done(case):
    module, _ = case
    before = {name: one.clone() for name, one in module.state_dict().items()}
    first = dict(merged_weights(module))
    for _ in range(3):
        again = dict(merged_weights(module))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(torch.equal(before[name], one) for name, one in module.state_dict().items())


def test_an_adapter_on_a_tied_head_gives_the_head_a_weight_of_its_own(build):
    module = adapted(build.qwen3(tie_word_embeddings=True), targets=["lm_head"])
    sent = dict(merged_weights(module))
    layer = module.get_base_model().lm_head
    assert torch.equal(sent["model.embed_tokens.weight"], layer.base_layer.weight)
    torch.testing.assert_close(sent["lm_head.weight"], layer.base_layer.weight + layer.get_delta_weight("default"))


def test_an_adapter_on_a_tied_head_is_refused_since_no_engine_would_load_it(build):
    refuse_unsent(adapted(build.qwen3(), targets=["lm_head"]))
    refuse_unsent(adapted(build.qwen3(tie_word_embeddings=True), targets=["q_proj"]))
    with pytest.raises(PluginError, match="lm_head"):
        refuse_unsent(adapted(build.qwen3(tie_word_embeddings=True), targets=["lm_head"]))


def test_small_deltas_survive_a_bfloat16_base_as_well_as_one_rounding_lets_them(build):
    module = adapted(build.qwen3().bfloat16(), targets=["q_proj"]).float()
    base = module.get_base_model().model.layers[0].self_attn.q_proj
    exact = base.base_layer.weight.double() + base.get_delta_weight("default").double()
    sent = dict(merged_weights(module, dtype=torch.bfloat16))["model.layers.0.self_attn.q_proj.weight"]
    assert sent.dtype == torch.bfloat16
    assert torch.equal(sent, exact.bfloat16())


def test_a_module_without_adapters_is_sent_as_its_checkpoint(build, tmp_path):
    for module in (build.qwen3(), build.qwen3(tie_word_embeddings=True), moe()):
        module.save_pretrained(tmp_path / "plain")
        stored = load_file(tmp_path / "plain" / "model.safetensors")
        sent = dict(merged_weights(module))
        assert sent.keys() == stored.keys()
        assert all(torch.equal(sent[name], stored[name]) for name in stored)


def test_spread_parameters_are_gathered_with_their_adapters_while_they_are_used(build):
    module = adapted(build.qwen3(), targets=["q_proj"])
    inside, gathered = [], []

    @contextmanager
    def gather(parameters):
        gathered.append(len(parameters))
        inside.append(True)
        yield
        inside.pop()

    for _ in merged_weights(module, gather=gather):
        assert inside == [True]
    assert inside == []
    assert sorted(gathered, reverse=True)[:3] == [3, 3, 1]
    assert len(gathered) == len(dict(merged_weights(module)))


def test_scaling_by_the_roots_of_ranks_and_by_patterns_is_kept(build):
    module = adapted(build.qwen3(), targets=["q_proj", "v_proj"], use_rslora=True, rank_pattern={"v_proj": 2})
    sent = dict(merged_weights(module))
    for name in ("q_proj", "v_proj"):
        layer = getattr(module.get_base_model().model.layers[1].self_attn, name)
        torch.testing.assert_close(
            sent[f"model.layers.1.self_attn.{name}.weight"],
            layer.base_layer.weight + layer.get_delta_weight("default"),
        )


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"use_dora": True}, "Dora"), ({"lora_bias": True}, "bias"), ({"modules_to_save": ["lm_head"]}, "trained whole")],
)
def test_what_is_no_plain_sum_is_refused_by_name(build, changes, word):
    module = adapted(build.qwen3(), targets=["q_proj"], **changes)
    with pytest.raises(PluginError, match=word):
        list(merged_weights(module))


def test_an_adapter_that_is_merged_already_is_not_added_twice(build):
    module = adapted(build.qwen3(), targets=["q_proj"])
    module.merge_adapter()
    with pytest.raises(PluginError, match="merged into its weight already"):
        list(merged_weights(module))


def test_adapted_names_are_the_weights_with_an_adapter(build):
    assert adapted_names(build.qwen3()) == frozenset()
    assert adapted_names(adapted(build.qwen3(), targets=["q_proj"])) == {
        f"model.layers.{number}.self_attn.q_proj.weight" for number in (0, 1)
    }
