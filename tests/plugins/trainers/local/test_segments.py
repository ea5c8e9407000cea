"""Any scaffold is trained; one that branches or prunes in several exact segments, which share one advantage."""

import asyncio

import pytest

from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.engine.training import training_sequences
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind
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


class Forgetful:
    """A scaffold of nobody's: it shows the task and the last observation only, and once goes back to the beginning."""

    name = "forgetful"

    async def run(self, episode) -> None:
        task = Message(role="user", content=episode.task.description)
        reply = await episode.ask([task])
        for _ in range(2):
            seen = await episode.act(Action(kind=ActionKind.RUN_CODE, code=reply.text))
            reply = await episode.ask([task, Message(role="user", content=seen.text)])
        await episode.ask([task, Message(role="user", content="Again.")])
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        return ""


SCAFFOLDS = [*sandmle_register_scaffolds(), Spec(name="forgetful", summary="", make=lambda config: Forgetful())]
OPTIONS = {"aide": {"data_preview": False}, "mle_agent": {"history_length": 1}, "openai_tools": {"calls": "text"}}
SEVERAL = {"aide", "aira", "mle_agent", "forgetful"}


@pytest.fixture
def toolkit_for(toy):
    def made(scaffold: str, **options) -> Toolkit:
        plain = toy.toy_toolkit(max_turns=4, scaffold=scaffold, max_tokens=5, concurrency=4)
        luck = Spec(name="luck", summary="", make=lambda config: Luck())
        specs = [
            (Kind.SCAFFOLD, next(one for one in SCAFFOLDS if one.name == scaffold)),
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


@pytest.mark.parametrize("scaffold", [one.name for one in SCAFFOLDS])
async def test_every_turn_is_trained_once_in_segments_that_share_an_advantage(
    toy, toolkit_for, tasks, tmp_path, scaffold
):
    toolkit = toolkit_for(scaffold, **OPTIONS.get(scaffold, {}))
    policy_provider(toolkit).create_policy(TEXTS, SHAPE, 1, tmp_path / "policy")
    config = toy.grpo_config(tmp_path / "policy", steps=1, tasks_per_step=1, refills=0)
    summary = await run_grpo(
        toolkit, config, tasks=tasks, out=tmp_path / "out", drain=asyncio.Event(), tell=lambda line: None
    )
    [line] = summary.metrics
    episodes = list(read_episodes(tmp_path / "out" / "steps" / "0001"))
    assert (max(len(training_sequences(one)) for one in episodes) > 1) is (scaffold in SEVERAL)
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
