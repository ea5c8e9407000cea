"""A toy trained by OpenRLHF's own parts learns, and does not where one of these is really broken."""

from dataclasses import replace
from unittest.mock import patch

import pytest
from openrlhf.models import PolicyLoss

from sandmle.core.engine.advantage import group_advantages
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import PluginError
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider
from sandmle.plugins.trainers.openrlhf import experience, toy
from sandmle.plugins.trainers.openrlhf.controller import prove_reward

LORA = ("--ds.lora.rank", "32", "--ds.lora.alpha", "64")


def looked_at(build, *flags: str) -> toy.ToyReport:
    return toy.check_reward(build.settings(*flags), LocalProvider(LocalConfig()))


@pytest.mark.parametrize(
    "flags",
    [
        (),
        LORA,
        ("--algo.advantage.estimator", "dr_grpo", "--actor.loss_agg_mode", "seq-mean-token-mean"),
        (
            *LORA,
            *("--algo.advantage.is_correction_level", "token", "--algo.advantage.is_correction_mode", "clip"),
            *("--rollout.temperature", "0.7", "--train.dynamic_batch_enable", "--rollout.batch_size", "16"),
        ),
    ],
)
def test_the_reward_of_a_toy_rises_under_the_settings_of_runs(build, flags):
    report = looked_at(build, *flags)
    assert report.problem is None
    assert len(report.rewards) == 8


def test_a_loss_of_the_wrong_sign_is_noticed(build):
    stock = PolicyLoss.forward

    def turned(made, *given, **named):
        loss, *more = stock(made, *given, **named)
        return -loss, *more

    with patch.object(PolicyLoss, "forward", turned):
        assert looked_at(build).problem is not None


def test_advantages_of_the_wrong_sign_are_noticed(build):
    def turned(rewards, estimator):
        judged = group_advantages(rewards, estimator)
        return replace(judged, advantages=tuple(one if one is None else -one for one in judged.advantages))

    with patch.object(experience, "group_advantages", turned):
        assert looked_at(build).problem is not None


def test_an_adapter_that_never_reaches_the_engine_is_noticed(build):
    stock = toy.merged_weights

    def without_adapter(module):
        with module.disable_adapter():
            for name, tensor in stock(module.get_base_model()):
                yield name, tensor - _delta(module, name)

    with patch.object(toy, "merged_weights", without_adapter):
        assert "did not rise" in looked_at(build, *LORA).problem


def _delta(module, name):
    layers = dict(module.get_base_model().named_modules())
    layer = layers.get(name.removesuffix(".weight"))
    return layer.get_delta_weight("default") if hasattr(layer, "get_delta_weight") else 0.0


def test_a_run_is_stopped_by_it_unless_it_was_left_out(build):
    args = build.settings()
    toolkit = open_toolkit()
    with patch.object(toy, "STEPS", 3), pytest.raises(PluginError, match="reward canary: only 3 of 8 steps"):
        prove_reward(toolkit, args)
    with patch.object(toy, "STEPS", 3):
        prove_reward(open_toolkit(overrides={"plugin.trainer.openrlhf.grpo.reward_canary": False}), args)
