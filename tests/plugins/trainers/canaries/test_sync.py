"""The policy-sync canary, each time against a real engine whose copy of the weights is really wrong."""

import pytest
import torch

from sandmle.core.errors import PluginError
from sandmle.plugins.llms.local.keys_values import Conversations
from sandmle.plugins.trainers.canaries import suspects, sync
from sandmle.plugins.trainers.canaries.asking import ChatEngine
from sandmle.plugins.trainers.local.canary import PolicyCanary


def looking_at(policy, engine=None, temperature=1.0) -> PolicyCanary:
    return PolicyCanary(policy, temperature, ChatEngine(engine, temperature) if engine else None)


def layers_of(module):
    return [one for one in module.modules() if hasattr(one, "lora_A") and len(one.lora_A)]


def rightly(module) -> None:
    """Merge as it should be."""


def test_suspects_put_everything_back(policy):
    before = [one.detach().clone() for one in policy.module.parameters()]
    scales = [dict(layer.scaling) for layer in layers_of(policy.module)]
    for suspect in suspects.adapter_suspects(policy.module, lambda probes: []):
        suspect.score([])
    assert all(torch.equal(a, b) for a, b in zip(before, policy.module.parameters(), strict=True))
    assert scales == [layer.scaling for layer in layers_of(policy.module)]


async def test_a_policy_that_generates_itself_agrees_before_and_after_updates(policy, moved):
    canary = looking_at(policy)
    for seed in range(3):
        assert await canary.check() < 1e-4
        moved(policy, 0.01, seed)
        policy.weights_changed()
    assert await canary.check() < 1e-4


async def test_an_engine_of_rightly_merged_weights_agrees(policy, merged):
    report = await looking_at(policy, merged(rightly)).look()
    assert report.cause is None
    assert report.worst < 1e-4


@pytest.mark.parametrize("size", [0.1, 2e-5])
async def test_a_copy_that_is_not_updated_is_stale_however_small_the_update(policy, merged, moved, size):
    engine = merged(rightly)
    canary = looking_at(policy, engine)
    assert await canary.check() < 1e-4
    moved(policy, size)
    report = await canary.look()
    assert report.cause == sync.STALE
    # Held against the absolute limit alone, the small one would pass.
    assert (report.worst < report.tolerance) == (size < 1e-3)


async def test_an_adapter_that_was_never_merged_is_named(provider, base, policy):
    engine = provider.open_model(f"local/{base}")
    with pytest.raises(
        PluginError, match=r"policy-sync canary: .*below the LoRA adapter: the adapter never reached it"
    ):
        await looking_at(policy, engine).check()


async def test_an_adapter_that_was_merged_twice_is_named(policy, merged):
    def twice(module):
        for layer in layers_of(module):
            layer.merge()
            layer.merged_adapters.clear()

    assert (await looking_at(policy, merged(twice)).look()).cause == suspects.TWICE


async def test_a_transposed_product_is_named(policy, merged):
    def transposed(module):
        with torch.no_grad():
            for layer in layers_of(module):
                a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
                delta = layer.scaling["default"] * (b @ a)
                layer.get_base_layer().weight.add_(delta.T if delta.shape[0] == delta.shape[1] else delta)
                b.zero_()

    assert (await looking_at(policy, merged(transposed)).look()).cause == suspects.TRANSPOSED


async def test_a_forgotten_scale_is_named(policy, merged):
    def unscaled(module):
        for layer in layers_of(module):
            layer.scaling["default"] = 1.0

    assert (await looking_at(policy, merged(unscaled)).look()).cause == suspects.UNSCALED


async def test_old_keys_and_values_are_named(policy, moved, monkeypatch):
    monkeypatch.setattr(Conversations, "forget", lambda self: None)
    canary = looking_at(policy)
    await canary.check()
    moved(policy, 0.1)
    policy.weights_changed()
    assert (await canary.look()).cause == sync.CACHED


async def test_a_generator_that_is_not_told_is_stale(policy, moved):
    canary = looking_at(policy)
    await canary.check()
    moved(policy, 0.01)
    assert (await canary.look()).cause == sync.STALE


async def test_weights_of_no_known_origin_are_noticed(provider, base, policy, tmp_path):
    provider.create_policy(["What is this? Count to ten. Name a colour.\n"] * 4, _shape(), 9, tmp_path / "other")
    engine = provider.open_model(f"local/{tmp_path / 'other'}")
    report = await looking_at(policy, engine).look()
    assert report.cause.startswith("it generates with other weights")


def test_numbers_that_are_none_are_noticed():
    probes = [sync.Probe(prompt_ids=(1,), sampled_ids=(2,), log_probs=(float("nan"),))] * 4
    assert sync.SyncCanary("float32").judge(probes, lambda _: [[-1.0]] * 4).cause == sync.NO_NUMBERS


async def test_at_another_temperature_numbers_differ_and_are_noticed(policy):
    canary = PolicyCanary(policy, 0.7, ChatEngine(policy, 1.0))
    assert (await canary.look()).cause


async def test_bfloat16_is_borne_and_a_missing_adapter_in_it_is_not(policy, merged):
    def left_out(module):
        for layer in layers_of(module):
            layer.scaling["default"] = 0.0

    def look(engine):
        canary = looking_at(policy, engine)
        canary._sync = sync.SyncCanary("bfloat16")
        return canary.look()

    fine = await look(merged(rightly, torch.bfloat16))
    assert fine.cause is None
    assert fine.worst > 1e-3
    assert (await look(merged(left_out, torch.bfloat16))).cause == suspects.LEFT_OUT


async def test_a_model_that_gives_no_ids_cannot_be_looked_at(policy):
    class Talker:
        name = "some/talker"

        async def reply(self, messages, options):
            from sandmle.core.types.message import ModelReply

            return ModelReply(text="hello")

    with pytest.raises(PluginError, match="some/talker"):
        await looking_at(policy, Talker()).check()


def _shape():
    from sandmle.core.contracts.policy import PolicyShape

    return PolicyShape(
        layers=2, hidden=32, heads=4, key_value_heads=4, feed_forward=64, context_tokens=256, vocabulary=420
    )
