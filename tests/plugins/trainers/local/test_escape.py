"""A policy that ends its session when it is losing stays in its group with what it has earned: in a real sandbox."""

import asyncio

from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.episode import Outcome
from sandmle.core.types.message import Message
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.plugins.sandboxes.plugin import sandmle_register_sandboxes
from sandmle.plugins.trainers.local.groups import judge, weighted
from sandmle.plugins.trainers.local.loop import run_grpo

DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


class EscapingScaffold:
    """Says a letter; where it is the wrong one, its code ends the session before anything can be looked at."""

    name = "escaping"

    async def run(self, episode) -> None:
        said = [Message(role="system", content="Say it."), Message(role="user", content=episode.task.description)]
        reply = await episode.ask(said)
        right = reply.text[:1] == episode.task.description[-1]
        await episode.act(Action(kind=ActionKind.RUN_CODE, code="print(1)" if right else DIE))
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        return ""


def toolkit_of(toy) -> Toolkit:
    plain = toy.toy_toolkit(scaffold="escaping", concurrency=4)
    process = next(one for one in sandmle_register_sandboxes() if one.name == "process")
    entries = {(one.kind, one.spec.name): one for one in plain.registry}
    for kind, spec in (
        (Kind.SCAFFOLD, Spec(name="escaping", summary="", make=lambda config: EscapingScaffold())),
        (Kind.SANDBOX, process),
    ):
        entries[kind, spec.name] = Registered(kind=kind, spec=spec, source="tests")
    run = plain.settings.run.model_copy(update={"sandbox": "process"})
    plugins = Plugins(manager=plain.plugins.manager, registry=Registry(entries))
    return Toolkit(plugins=plugins, settings=plain.settings.model_copy(update={"run": run}))


async def test_whoever_dies_to_escape_a_score_keeps_it_and_its_place_in_the_group(toy, imitator, tasks, tmp_path):
    config = toy.grpo_config(
        imitator, steps=1, tasks_per_step=4, group_size=8, refills=0, estimator="dr_grpo", evaluate_every=0
    )
    summary = await run_grpo(
        toolkit_of(toy), config, tasks=tasks, out=tmp_path / "out", drain=asyncio.Event(), tell=lambda line: None
    )
    [line] = summary.metrics
    assert (line["infrastructure_rate"], line["too_few"]) == (0, 0)
    assert not any(line["infrastructure_after"].values())
    groups: dict[str, list] = {}
    for episode in read_episodes(tmp_path / "out" / "steps" / "0001"):
        groups.setdefault(episode.task_id, []).append(episode)
    died = {
        episode.episode_id
        for group in groups.values()
        for episode in group
        if episode.trajectory.steps[0].observation.cell is CellStatus.DIED
    }
    assert 0 < len(died) < 32
    judged = [judge(group, config.grpo.estimator) for group in groups.values()]
    for group in judged:
        assert len(group.episodes) == group.counting == 8
        assert all(episode.outcome is not Outcome.INFRASTRUCTURE for episode in group.episodes)
    trained = {one.sequence.episode_id: one.advantage for one in weighted(judged, mask_truncated=False)}
    kept = [episode for group in judged if group.kept for episode in group.episodes]
    assert set(trained) == {episode.episode_id for episode in kept}
    lost = [trained[episode.episode_id] for episode in kept if episode.episode_id in died]
    won = [trained[episode.episode_id] for episode in kept if episode.episode_id not in died]
    assert won
    assert min(won) > 0 > sum(lost)
