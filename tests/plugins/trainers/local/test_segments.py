"""Scaffolds that branch or prune are trained in several exact segments, which share one advantage."""

import asyncio

import pytest

from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.engine.training import training_sequences
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.plugins.trainers.local.groups import judge, weighted
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.policies import policy_provider
from sandmle.scaffolds.plugin import sandmle_register_scaffolds

TEXTS = ["Plan.\n```python\nprint(1)\n```\n", "<tool_call>\npython\n<code>\nprint(1)\n</code>\n</tool_call>\n"] * 4
SHAPE = PolicyShape(
    layers=2, hidden=32, heads=2, key_value_heads=2, feed_forward=64, context_tokens=32_768, vocabulary=300
)


class Luck:
    """A reward that differs from episode to episode, by what was said first."""

    name = "luck"

    def value(self, episode) -> float:
        replies = episode.trajectory.replies()
        return sum(map(ord, replies[0].text)) % 7 / 7 if replies else 0.0


@pytest.fixture
def toolkit_for(toy):
    def made(scaffold: str, **options) -> Toolkit:
        plain = toy.toy_toolkit(max_turns=4, scaffold=scaffold, max_tokens=5, concurrency=4)
        luck = Spec(name="luck", summary="", make=lambda config: Luck())
        specs = [
            (Kind.SCAFFOLD, next(one for one in sandmle_register_scaffolds() if one.name == scaffold)),
            (Kind.MILESTONE, luck),
        ]
        entries = {(one.kind, one.spec.name): one for one in plain.registry}
        entries |= {(kind, spec.name): Registered(kind=kind, spec=spec, source="tests") for kind, spec in specs}
        plugin = {**plain.settings.plugin, "scaffold": {scaffold: options}}
        reward = plain.settings.reward.model_copy(update={"presets": {"toy": {"luck": 1.0}}})
        settings = plain.settings.model_copy(update={"plugin": plugin, "reward": reward})
        plugins = Plugins(manager=plain.plugins.manager, registry=Registry(entries))
        return Toolkit(plugins=plugins, settings=settings)

    return made


@pytest.mark.parametrize(
    ("scaffold", "options"), [("aide", {"data_preview": False}), ("mle_agent", {"history_length": 1})]
)
async def test_every_turn_is_trained_once_in_segments_that_share_an_advantage(
    toy, toolkit_for, tasks, tmp_path, scaffold, options
):
    toolkit = toolkit_for(scaffold, **options)
    policy_provider(toolkit).create_policy(TEXTS, SHAPE, 1, tmp_path / "policy")
    config = toy.grpo_config(tmp_path / "policy", steps=1, tasks_per_step=1, refills=0)
    summary = await run_grpo(
        toolkit, config, tasks=tasks, out=tmp_path / "out", drain=asyncio.Event(), tell=lambda line: None
    )
    [line] = summary.metrics
    episodes = list(read_episodes(tmp_path / "out" / "steps" / "0001"))
    assert max(len(training_sequences(one)) for one in episodes) > 1
    sampled = sum(len(reply.sampled_ids) for one in episodes for reply in one.trajectory.replies() if reply.sampled_ids)
    assert line["kept_groups"] == 1
    assert line["tokens"] == sampled
    assert line["rollout_gap"] < 1e-4
    items = weighted([judge(episodes, config.grpo.estimator)], mask_truncated=False)
    advantages: dict[str, set[float]] = {}
    for item in items:
        advantages.setdefault(item.sequence.episode_id, set()).add(item.advantage)
    assert len(advantages) == len(episodes)
    assert all(len(found) == 1 for found in advantages.values())
