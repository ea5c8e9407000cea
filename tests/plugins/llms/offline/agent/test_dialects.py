"""The agent in every protocol: each scaffold's own prompt and parser, with the agent between them."""

import json

import pytest

from sandmle.core.conformance.scaffold import ScriptedEpisode, play
from sandmle.core.contracts.scaffold import EpisodeLimits, TaskView
from sandmle.core.types.message import Message
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.score import Grade, Medal
from sandmle.core.types.trajectory import ActionKind, FeedbackMode, Observation, StopReason
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.player import play as speak
from sandmle.scaffolds.codeact.config import CodeActConfig
from sandmle.scaffolds.codeact.scaffold import CodeActScaffold
from sandmle.scaffolds.mle_agent.config import MleAgentConfig
from sandmle.scaffolds.mle_agent.scaffold import MleAgentScaffold
from sandmle.scaffolds.openai_tools.config import OpenaiToolsConfig
from sandmle.scaffolds.openai_tools.scaffold import OpenaiToolsScaffold
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.scaffold import ReactScaffold
from sandmle.scaffolds.single_turn.config import SingleTurnConfig
from sandmle.scaffolds.single_turn.scaffold import SingleTurnScaffold

LIMITS = EpisodeLimits(max_turns=9, cell_timeout_s=5.0, episode_timeout_s=60.0, max_scored_submissions=3)
TASK = TaskView(task_id="t", description="Predict y. The metric is `mae`.", files=("data/train.csv",))
SAW = "\n".join(
    [
        "FILES {}",
        "SAMPLE " + json.dumps({"columns": ["id", "y"], "first": ["1", "0"]}),
        *(
            "COLUMN " + json.dumps({"name": name, "kind": "number", "unique": 100, "in_test": name != "y"})
            for name in ("id", "x", "y")
        ),
    ]
)
VALID = Grade(
    valid=True, score=0.5, public_score=0.5, medal=Medal.NONE, above_median=False, human_rank=0.5, problem=None
)
SCAFFOLDS = {
    "react": ReactScaffold(ReactConfig()),
    "codeact": CodeActScaffold(CodeActConfig()),
    "openai_tools": OpenaiToolsScaffold(OpenaiToolsConfig()),
    "openai_tools in text": OpenaiToolsScaffold(OpenaiToolsConfig(calls="text")),
    "mle_agent": MleAgentScaffold(MleAgentConfig()),
    "single_turn": SingleTurnScaffold(SingleTurnConfig()),
}


def world(action):
    if action.kind is ActionKind.SUBMIT:
        return Observation(text="The submission is valid.", grade=VALID)
    if "# stage: look" in action.code:
        return Observation(text=SAW, cell=CellStatus.OK)
    return Observation(text="WROTE submission.csv (100, 2)", cell=CellStatus.OK)


def episode_of(strength, world=world, sample_index=0):
    return ScriptedEpisode(
        lambda messages, turn: speak(messages, strength, sample_index),
        world,
        task=TASK,
        limits=LIMITS,
        feedback=FeedbackMode.PUBLIC_BOARD,
    )


@pytest.mark.parametrize("strength", list(Strength))
@pytest.mark.parametrize("name", SCAFFOLDS)
async def test_it_is_understood_in_every_protocol(name, strength):
    episode = episode_of(strength)
    reason = await play(SCAFFOLDS[name], episode)
    # The protocol of MLE-Dojo has no word for being done.
    assert reason is (StopReason.MAX_TURNS if name == "mle_agent" else StopReason.FINISHED)
    kinds = [action.kind for action in episode.actions]
    assert ActionKind.INVALID not in kinds
    assert kinds.count(ActionKind.SUBMIT) == 1
    model = next(action.code for action in episode.actions if "# stage: model" in action.code)
    compile(model, "cell", "exec")
    if strength is not Strength.WEAK and name != "single_turn":
        assert "train['y']" in model


@pytest.mark.parametrize("name", [name for name in SCAFFOLDS if name != "single_turn"])
async def test_it_repairs_what_failed_in_every_protocol(name):
    def failing_first(action):
        if "# stage: model" in action.code:
            return Observation(text="Traceback (most recent call last):\nValueError: no", cell=CellStatus.ERROR)
        return world(action)

    episode = episode_of(Strength.MIDDLE, failing_first)
    await play(SCAFFOLDS[name], episode)
    stages = [action.code.split("\n")[0] for action in episode.actions if "# stage" in action.code]
    assert stages == ["# stage: look", "# stage: model", "# stage: repair"]
    assert [action.kind for action in episode.actions].count(ActionKind.SUBMIT) == 1


@pytest.mark.parametrize("name", SCAFFOLDS)
async def test_the_same_episode_is_played_the_same(name):
    one, again, other = (episode_of(Strength.MIDDLE, sample_index=index) for index in (3, 3, 4))
    for episode in (one, again, other):
        await play(SCAFFOLDS[name], episode)
    assert one.actions == again.actions
    assert one.actions != other.actions


async def test_under_mle_dojos_protocol_it_asks_for_the_task_first_and_then_idles():
    episode = episode_of(Strength.MIDDLE)
    await play(SCAFFOLDS["mle_agent"], episode)
    assert json.loads(episode.replies[0])["params"] == {"info_type": "overview"}
    assert [json.loads(reply)["action"] for reply in episode.replies[1:]] == [
        "validate_code",
        "execute_code",
        *["request_info"] * 6,
    ]


def test_a_repair_request_is_answered_with_something_that_can_be_read():
    request = Message(role="user", content='Repair. {"action": "request_info", ...} ### Answer ###')
    assert json.loads(speak([request], Strength.MIDDLE, 0))["action"] == "request_info"
