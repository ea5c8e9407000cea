"""The MLE agent, driven by scripted episodes and beside MLE-Dojo's own."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.conformance.scaffold import ScriptedEpisode, check_scaffold, play
from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.score import Grade, Medal
from sandmle.core.types.trajectory import ActionKind, FeedbackMode, Observation, StopReason
from sandmle.scaffolds.mle_agent import graph
from sandmle.scaffolds.mle_agent.config import MleAgentConfig
from sandmle.scaffolds.mle_agent.operators import INFO_TYPES, TAKE_AWAY
from sandmle.scaffolds.mle_agent.parse import Decision, Operator, read_decision
from sandmle.scaffolds.mle_agent.scaffold import MleAgentScaffold

# Written by scripts/record_mle_dojo.py, which drove the agent of MLE-Dojo at 667a8fd0 with a scripted model.
RECORDED = json.loads((Path(__file__).parent / "recorded" / "decisions.json").read_text("utf-8"))
VALID = Grade(
    valid=True, score=0.5, public_score=0.5, medal=Medal.NONE, above_median=False, human_rank=0.5, problem=None
)


def info(kind):
    return json.dumps({"action": "request_info", "params": {"info_type": kind}})


def validate(code):
    return json.dumps({"action": "validate_code", "params": {"code": code}})


def execute(code):
    return json.dumps({"action": "execute_code", "params": {"code": code}})


def world(action):
    if action.kind is ActionKind.SUBMIT:
        return Observation(text="The submission is valid.\nScore: 0.5", grade=VALID)
    if "fail" in action.code:
        return Observation(text="ValueError: no", cell=CellStatus.ERROR)
    return Observation(text="out of " + action.code, cell=CellStatus.OK)


def limits(max_turns):
    return EpisodeLimits(max_turns=max_turns, cell_timeout_s=5.0, episode_timeout_s=60.0, max_scored_submissions=3)


@pytest.fixture
def scaffold():
    return MleAgentScaffold(MleAgentConfig())


async def test_it_keeps_the_scaffold_contract(scaffold):
    await check_scaffold(scaffold, [info("overview"), "no", validate("a"), execute("b")])


def kind_of(message):
    """Which of our prompts a message is."""
    if message.role == "assistant":
        return "answer"
    marks = {
        "repair": "### End of answer ###",
        "results": "#### Results ####",
        "error": "#### Error ####",
        "instruction": "There are three actions",
    }
    return next(kind for kind, mark in marks.items() if mark in message.content)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
async def test_the_same_script_leads_to_the_prompts_and_decisions_of_mle_dojos_agent(recorded, monkeypatch):
    decisions = []

    async def noting(episode, decision):
        decisions.append([decision.operator.value, decision.argument])
        return await carry_out(episode, decision)

    def answering(action):
        # What the recording says failed is made to fail in the way that its kind of action can.
        failed = len(decisions) - 1 in recorded.get("failed", [])
        if action.kind is ActionKind.SUBMIT:
            return Observation(text="valid", grade=VALID)
        return Observation(text="x", cell=CellStatus.ERROR if failed and action.code != TAKE_AWAY else CellStatus.OK)

    carry_out = graph.carry_out
    monkeypatch.setattr(graph, "carry_out", noting)
    config = MleAgentConfig(
        max_steps=recorded["actions"],
        history_length=recorded.get("history_length"),
        max_prompt_tokens=recorded.get("max_prompt_tokens", 50_000),
    )
    episode = ScriptedEpisode(recorded["replies"], answering, limits=limits(100))
    reason = await play(MleAgentScaffold(config), episode)
    last = recorded["decisions"][-1][0]
    assert reason is {"Error": StopReason.STALLED, "End": StopReason.CONTEXT}.get(last, StopReason.MAX_TURNS)
    assert decisions == [one for one in recorded["decisions"] if one[0] not in ("Error", "End")]
    assert [[kind_of(message) for message in asked] for asked in episode.asked] == recorded["asked"]


async def test_information_is_told_when_asked_for_and_not_before(scaffold):
    episode = ScriptedEpisode([info(kind) for kind in INFO_TYPES], world)
    await play(scaffold, episode)
    assert "accuracy" not in episode.asked[0][0].content
    told = [asked[-1].content for asked in episode.asked[1:]]
    for text, says in zip(
        told, ["accuracy", "sample_submission.csv", "data/train.csv", "data", "working"], strict=True
    ):
        assert says in text


async def test_validated_code_submits_nothing_and_executed_code_does(scaffold):
    episode = ScriptedEpisode([validate("a"), execute("b"), execute("fail"), info("overview")], world)
    await play(scaffold, episode)
    done = [(action.kind.value, action.code) for action in episode.actions]
    assert done[:7] == [
        ("run_code", "a"),
        ("run_code", TAKE_AWAY),
        ("run_code", "b"),
        ("submit", ""),
        ("run_code", TAKE_AWAY),
        ("run_code", "fail"),
        ("run_code", TAKE_AWAY),
    ]
    seen = [asked[-1].content for asked in episode.asked[1:4]]
    assert "out of a" in seen[0]
    assert "Score: 0.5" not in seen[0]
    assert "Score: 0.5" in seen[1]
    assert "nothing was submitted" in seen[2]
    assert "#### Error ####" in seen[2]


async def test_the_actions_and_the_seconds_left_stand_in_every_prompt(scaffold):
    episode = ScriptedEpisode([info("overview")], world, limits=limits(4))
    assert await play(scaffold, episode) is StopReason.MAX_TURNS
    for number, asked in enumerate(episode.asked):
        assert f"You have {4 - number} actions" in asked[-1].content
        assert "You have 60 seconds" in asked[-1].content
    quiet = ScriptedEpisode([info("overview")], world)
    await play(MleAgentScaffold(MleAgentConfig(show_time=False)), quiet)
    prompts = "".join(message.content for message in quiet.asked[-1])
    assert "One program may run 5 seconds" in prompts
    assert "60" not in prompts


@pytest.mark.parametrize(
    ("answer", "says"), [(info("answers"), "info_type must be one of"), (validate(" "), "the code is empty")]
)
async def test_what_mle_dojos_environment_would_raise_on_is_shown_as_an_error(scaffold, answer, says):
    episode = ScriptedEpisode([answer, info("overview")], world)
    await play(scaffold, episode)
    assert says in episode.asked[1][-1].content
    assert kind_of(episode.asked[1][-1]) == "error"


async def test_every_answer_that_cannot_be_read_is_recorded(scaffold):
    episode = ScriptedEpisode(["no"], limits=limits(20))
    assert await play(scaffold, episode) is StopReason.STALLED
    assert [action.kind for action in episode.actions] == [ActionKind.INVALID] * 4
    assert len(episode.asked) == 4


async def test_an_endless_answer_is_sent_back_shortened(scaffold):
    episode = ScriptedEpisode(["x" * 1_000_000])
    await play(scaffold, episode)
    assert len(episode.asked[1][0].content) < 210_000


@pytest.mark.parametrize("feedback", list(FeedbackMode))
async def test_the_prompt_tells_the_truth_about_feedback(scaffold, feedback):
    episode = ScriptedEpisode([info("overview")], feedback=feedback)
    await play(scaffold, episode)
    assert ("its score" in episode.asked[0][0].content) == (feedback is not FeedbackMode.VALIDATE_ONLY)


async def test_no_limit_of_the_graph_ends_an_episode():
    script = ["no", "no", "no", info("overview")] * 40
    episode = ScriptedEpisode(script, world, limits=limits(200))
    reason = await play(MleAgentScaffold(MleAgentConfig(max_steps=30)), episode)
    assert reason is StopReason.MAX_TURNS
    assert len(episode.asked) == 120


def test_a_well_formed_answer_is_read():
    assert read_decision(validate("a\nb")) == Decision(operator=Operator.VALIDATE_CODE, argument="a\nb")
    assert read_decision(info("name")) == Decision(operator=Operator.REQUEST_INFO, argument="name")


@given(st.text() | st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["action", "params", "code", "info_type", "x"]), inner | st.sampled_from([*Operator]))
).map(json.dumps))  # fmt: skip
def test_anything_is_a_decision_or_a_problem_that_repeats_nothing(text):
    said = problem_of(text)
    assert said is None or (said.strip() and len(said) < 200)


def problem_of(text):
    try:
        assert read_decision(text).operator in Operator
    except ValueError as problem:
        return str(problem)
    return None


@pytest.mark.parametrize("text", ["[" * 200_000, "9" * 10_000, "```json", "```json\n```", "\x00", '{"action":'])
def test_hostile_json_is_a_problem(text):
    assert problem_of(text)
