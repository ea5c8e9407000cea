"""The doctor's engine holds what it was sent, in numbers of its own."""

import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from sandmle.core.contracts.policy import AdapterShape, PolicyShape  # noqa: E402
from sandmle.core.errors import PluginError  # noqa: E402
from sandmle.plugins.llms.local.config import LocalConfig  # noqa: E402
from sandmle.plugins.llms.local.model import LocalProvider  # noqa: E402
from sandmle.plugins.trainers.openrlhf.examining import take  # noqa: E402
from sandmle.plugins.trainers.openrlhf.merging import merged_weights  # noqa: E402

SHAPE = PolicyShape(layers=1, hidden=16, heads=2, key_value_heads=2, feed_forward=24, context_tokens=64, vocabulary=300)
IDS = torch.arange(3, 19)[None]


def logits(policy) -> torch.Tensor:
    with torch.no_grad():
        return policy.module(input_ids=IDS).logits


@pytest.mark.parametrize("adapter", [False, True])
def test_what_was_sent_answers_as_the_policy_does_and_does_not_change_with_it(tmp_path, adapter):
    provider = LocalProvider(LocalConfig())
    provider.create_policy(["some words"] * 3, SHAPE, 3, tmp_path / "start")
    policy = provider.open_model(f"local/{tmp_path / 'start'}")
    if adapter:
        policy.add_adapter(AdapterShape(rank=2, alpha=4), 1)
        for name, parameter in policy.module.named_parameters():
            if "lora_B" in name:
                parameter.data.fill_(0.1)
    before = logits(policy)
    shutil.copytree(tmp_path / "start", tmp_path / "engine", ignore=shutil.ignore_patterns("*.safetensors"))
    take(policy, dict(merged_weights(policy.module)), tmp_path / "engine")
    for parameter in policy.module.parameters():
        parameter.data.zero_()
    engine = provider.open_model(f"local/{tmp_path / 'engine'}")
    torch.testing.assert_close(logits(engine), before, rtol=0, atol=1e-5)


def test_a_weight_that_was_not_sent_is_named(tmp_path):
    provider = LocalProvider(LocalConfig())
    provider.create_policy(["some words"] * 3, SHAPE, 3, tmp_path / "start")
    policy = provider.open_model(f"local/{tmp_path / 'start'}")
    weights = dict(merged_weights(policy.module))
    del weights["model.norm.weight"]
    with pytest.raises(PluginError, match=r"was not sent \['model\.norm\.weight'\]"):
        take(policy, weights, tmp_path / "engine")
