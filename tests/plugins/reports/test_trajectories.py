"""What of a run is shown to read, and how a reply is taken apart."""

from sandmle.core.types.episode import Outcome
from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import (
    Action,
    ActionKind,
    Observation,
    Segment,
    Step,
    Trajectory,
    TranscriptEntry,
)
from sandmle.plugins.reports.results import agents
from sandmle.plugins.reports.trajectories import MAX_TURNS, choose, view


def chosen(episodes):
    return [(episode.task_id, role) for _, episode, role in choose(agents({"run": episodes}))]


def test_best_median_and_worst_come_first_then_a_failure_then_the_rest_in_task_order(records):
    medals = [Medal.NONE, Medal.GOLD, None, Medal.BRONZE, Medal.SILVER]
    episodes = [records.episode(f"t-{number}", 0, medal) for number, medal in enumerate(medals)]
    lost = [records.episode(f"l-{n}", 0, outcome=Outcome.INFRASTRUCTURE, grade=None) for n in range(2)]
    assert chosen([*lost, *episodes]) == [
        ("t-1", "best"),
        ("t-3", "median"),
        ("t-2", "worst"),
        ("l-0", ""),
        ("l-1", ""),
        ("t-0", ""),
        ("t-4", ""),
    ]


def test_few_episodes_have_no_best_and_worst(records):
    assert [role for _, role in chosen([records.episode(f"t-{n}", 0) for n in range(3)])] == ["", "", ""]


def one_turn(records, text, code):
    step = Step(
        action=Action(kind=ActionKind.RUN_CODE, code=code), observation=Observation(text="seen"), turn=0, wall_s=0.1
    )
    reply = ModelReply(text=text, finish_reason="length")
    entry = TranscriptEntry(message=Message(role="assistant", content=text), reply=reply, turn=0)
    trajectory = Trajectory(segments=(Segment(entries=(entry,)), Segment(entries=(entry,))), steps=(step,))
    episode = records.episode(trajectory=trajectory)
    (turn,) = view(agents({"run": [episode]})[0], episode, "").turns
    return turn


def test_a_thought_is_the_reply_without_its_code_and_the_protocols_tags(records):
    code = "print(1 < 2)\nprint('<b>')"
    text = f"<think>\nI compare.\n</think>\n<tool_call>\npython\n<code>\n{code}\n</code>\n</tool_call> And I say more."
    turn = one_turn(records, text, code)
    assert turn.thought == "I compare.\n\n And I say more."
    assert turn.steps[0].code == code
    assert turn.cut


def test_a_reply_that_is_not_in_the_protocol_is_shown_whole(records):
    assert one_turn(records, "no tags, x < y & z", "other").thought == "no tags, x < y & z"


def test_turns_after_the_last_one_shown_are_counted(records):
    episode = records.episode(trajectory=records.trajectory(turns=MAX_TURNS + 7))
    seen = view(agents({"run": [episode]})[0], episode, "")
    assert (len(seen.turns), seen.more_turns) == (MAX_TURNS, 7)
    assert seen.prompt == "[system]\nYou are an engineer. Use <code>."
