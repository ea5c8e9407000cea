"""The reward canary: the real trainer learns the toy; with a sign turned in it, or updates that reach nobody, not."""

import pytest

from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import PluginError
from sandmle.plugins.trainers.canaries.toy import RISE, STEPS, check_reward, judge_rewards
from sandmle.plugins.trainers.local import grpo as grpo_file
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.guarding import toy_learner
from sandmle.plugins.trainers.local.loop import run_grpo


@pytest.fixture(scope="module")
def toolkit():
    return open_toolkit(overrides={"plugin.sandbox.process.preload": []})


async def look(toolkit, provider, **grpo):
    config = LocalTrainerConfig.model_validate({"grpo": grpo})
    return await check_reward(toolkit, provider, toy_learner(config, run_grpo))


@pytest.mark.parametrize("grpo", [{}, {"adapter": False, "estimator": "dr_grpo", "aggregate": "seq-mean-token-mean"}])
async def test_the_real_trainer_learns_it(toolkit, provider, grpo):
    report = await look(toolkit, provider, **grpo)
    assert report.problem is None
    assert len(report.rewards) == STEPS
    report.require()


async def test_a_loss_with_its_sign_turned_unlearns_it(toolkit, provider, monkeypatch):
    right = grpo_file.policy_loss
    monkeypatch.setattr(grpo_file, "policy_loss", lambda *words: -right(*words))
    report = await look(toolkit, provider)
    assert "the mean reward fell: what is rewarded is trained away" in report.problem
    with pytest.raises(PluginError, match="reward canary"):
        report.require()


def test_rewards_that_stand_still_are_told():
    assert "did not rise" in judge_rewards([0.5, 0.52, 0.48, 0.5, 0.51, 0.5, 0.5, 0.49]).problem
    assert judge_rewards([0.5] * 5 + [0.5 + RISE + 1e-9] * 3).problem is None
    assert "only 2 of" in judge_rewards([0.5, 0.9]).problem
