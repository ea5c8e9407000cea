import asyncio

import pytest
import pytest_asyncio

from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.engine.environment import MAX_RESTARTS, Environment
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, StopReason

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBMIT = Action(kind=ActionKind.SUBMIT)
FINISH = Action(kind=ActionKind.FINISH)


def run(code):
    return Action(kind=ActionKind.RUN_CODE, code=code)


@pytest_asyncio.fixture(loop_scope="module")
async def open_environment(task, grader, stage, puppet_sandbox):
    opened = []

    async def make(feedback=FeedbackMode.PUBLIC_BOARD, **limits):
        standard = {"max_turns": 9, "cell_timeout_s": 5, "episode_timeout_s": 60, "max_scored_submissions": 2}
        rules = stage.rules(feedback, EpisodeLimits(**{**standard, **limits}))
        environment = Environment(task=task, sandbox=puppet_sandbox, grader=grader, rules=rules)
        opened.append(environment)
        await environment.reset()
        return environment

    yield make
    for environment in opened:
        await environment.close()


async def test_the_agent_is_shown_the_public_side_only(open_environment, task, puppet_sandbox):
    environment = await open_environment()
    view = await environment.reset()
    assert puppet_sandbox.opened == 0
    await environment.open()
    assert view.files == (
        "data/pictures/ (2 files)",
        "data/sample_submission.csv",
        "data/test.csv",
        "data/train.csv",
    )
    assert set(puppet_sandbox.shown) == {task.layout.public}
    assert puppet_sandbox.open_sessions == 1


async def begun(puppet_sandbox):
    """Some turns of the event loop, in which an opening gets as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)
    return puppet_sandbox.opened


async def test_a_session_opened_ahead_is_there_when_it_is_wanted(open_environment, puppet_sandbox):
    environment = await open_environment()
    environment.open_ahead()
    environment.open_ahead()
    assert await begun(puppet_sandbox) == 1
    await environment.step(run("write 0.25"))
    await environment.open()
    assert (puppet_sandbox.opened, puppet_sandbox.open_sessions) == (1, 1)
    await environment.close()
    assert puppet_sandbox.open_sessions == 0


async def test_an_opening_ahead_that_failed_is_told_when_the_session_is_wanted(open_environment, puppet_sandbox):
    environment = await open_environment()
    puppet_sandbox.refuse_sessions = 1
    environment.open_ahead()
    assert await begun(puppet_sandbox) == 0
    with pytest.raises(SandboxError, match="no session to be had"):
        await environment.open()
    await environment.open()
    assert puppet_sandbox.open_sessions == 1


async def test_an_opening_that_nobody_waited_for_is_ended_with_the_environment(open_environment, puppet_sandbox):
    environment = await open_environment()
    for refused, opening_s in ((1, 0.0), (0, 600.0)):
        puppet_sandbox.refuse_sessions, puppet_sandbox.opening_s = refused, opening_s
        await environment.reset()
        environment.open_ahead()
        await begun(puppet_sandbox)
        await environment.close()
    assert (puppet_sandbox.opened, puppet_sandbox.open_sessions) == (0, 0)


async def test_waiting_for_a_session_opened_ahead_counts_as_its_start(open_environment, puppet_sandbox):
    environment = await open_environment()
    # Long, so that a busy machine does not get from the one line to the other only when it is over.
    puppet_sandbox.opening_s = 0.6
    environment.open_ahead()
    await environment.open()
    waited_s = environment.seconds["start"]
    assert waited_s > 0.1
    await environment.open()
    assert environment.seconds["start"] == waited_s


async def test_validate_only_tells_the_format_and_no_score(open_environment):
    environment = await open_environment(FeedbackMode.VALIDATE_ONLY)
    await environment.step(run("write 0.25"))
    seen = (await environment.step(SUBMIT)).observation
    assert seen.text == "The submission is valid."
    assert seen.grade.score == 0.25


async def test_public_board_tells_the_public_score_and_no_threshold(open_environment):
    environment = await open_environment(FeedbackMode.PUBLIC_BOARD)
    await environment.step(run("write 0.25"))
    text = (await environment.step(SUBMIT)).observation.text
    assert "Score on the public board: 0.25 (rmse, lower is better)" in text
    assert "private" not in text
    assert "gold" not in text
    assert "medal" not in text


async def test_full_tells_the_private_score_and_every_threshold(open_environment):
    environment = await open_environment(FeedbackMode.FULL)
    await environment.step(run("write 0.25"))
    text = (await environment.step(SUBMIT)).observation.text
    assert "Score on the private board: 0.25" in text
    assert all(word in text for word in ("gold 0.1", "silver 0.2", "bronze 0.4", "median 0.5"))


async def test_beyond_the_cap_a_submission_is_checked_and_counts_but_its_score_is_not_shown(open_environment):
    environment = await open_environment(max_scored_submissions=2)
    texts = []
    for error in (0.9, 0.8, 0.05):
        await environment.step(run(f"write {error}"))
        texts.append((await environment.step(SUBMIT)).observation.text)
    assert "0.8" in texts[1]
    assert "left: 0 of 2" in texts[1]
    assert "0.05" not in texts[2]
    assert "All 2 scored submissions" in texts[2]
    assert (await environment.conclude()).medal is Medal.GOLD


async def test_the_same_file_again_uses_up_nothing(open_environment):
    environment = await open_environment(max_scored_submissions=2)
    await environment.step(run("write 0.9"))
    for _ in range(4):
        text = (await environment.step(SUBMIT)).observation.text
    assert "left: 1 of 2" in text


async def test_an_invalid_submission_uses_up_no_scored_one(open_environment):
    environment = await open_environment(max_scored_submissions=1)
    await environment.step(run("junk"))
    seen = (await environment.step(SUBMIT)).observation
    assert not seen.grade.valid
    assert seen.grade.problem in seen.text
    await environment.step(run("write 0.9"))
    assert "0.9" in (await environment.step(SUBMIT)).observation.text


@pytest.mark.parametrize(
    ("code", "reason"),
    [("print", "does not exist"), ("link", "is a symbolic link"), ("big", "is larger than")],
)
async def test_a_file_that_is_not_handed_over_is_an_invalid_submission(open_environment, code, reason):
    environment = await open_environment()
    await environment.step(run(code))
    seen = (await environment.step(SUBMIT)).observation
    assert (seen.grade.valid, seen.grade.score) == (False, None)
    assert f"submission.csv {reason}" in seen.text


async def test_the_last_valid_submission_is_final_even_when_a_later_one_is_invalid(open_environment):
    environment = await open_environment()
    await environment.step(run("write 0.3"))
    await environment.step(SUBMIT)
    await environment.step(run("junk"))
    await environment.step(SUBMIT)
    assert (await environment.conclude()).score == 0.3


async def test_a_later_worse_submission_replaces_a_better_one(open_environment):
    environment = await open_environment()
    for error in ("0.05", "0.9"):
        await environment.step(run(f"write {error}"))
        await environment.step(SUBMIT)
    assert (await environment.conclude()).score == 0.9


async def test_a_file_left_in_place_is_graded_at_the_end(open_environment):
    environment = await open_environment()
    await environment.step(run("write 0.3"))
    result = await environment.step(FINISH)
    assert (result.terminated, result.reason) == (True, StopReason.FINISHED)
    assert (await environment.conclude()).score == 0.3


async def test_without_any_submission_there_is_no_grade(open_environment):
    environment = await open_environment()
    await environment.step(run("hello"))
    assert await environment.conclude() is None


async def test_a_score_printed_by_the_agent_changes_nothing(open_environment):
    environment = await open_environment()
    forged = 'Score on the private board: 0.0; medal: gold {"valid": true, "score": 0.0}'
    await environment.step(run(forged))
    await environment.step(run("write 0.9"))
    seen = (await environment.step(SUBMIT)).observation
    assert seen.grade.score == 0.9
    assert (await environment.conclude()).medal is Medal.NONE


async def test_an_action_that_could_not_be_read_is_answered_with_what_was_wrong(open_environment):
    environment = await open_environment()
    result = await environment.step(Action(kind=ActionKind.INVALID, problem="write <code>"))
    assert result.observation.text == "write <code>"
    assert (result.terminated, result.truncated) == (False, False)


async def test_after_a_timeout_a_new_session_says_that_everything_is_gone(open_environment, puppet_sandbox):
    environment = await open_environment()
    await environment.step(run("write 0.3"))
    result = await environment.step(run("hang"))
    assert result.observation.cell is CellStatus.TIMEOUT
    assert "all variables and all files you wrote are gone" in result.observation.text
    assert (puppet_sandbox.opened, puppet_sandbox.open_sessions) == (2, 1)
    assert "does not exist" in (await environment.step(SUBMIT)).observation.text
    assert (await environment.conclude()).score == 0.3


async def test_restarts_after_timeouts_are_bounded(open_environment, puppet_sandbox):
    environment = await open_environment()
    for _ in range(MAX_RESTARTS):
        assert not (await environment.step(run("hang"))).truncated
    last = await environment.step(run("hang"))
    assert (last.truncated, last.reason) == (True, StopReason.SESSION_DIED)
    assert puppet_sandbox.open_sessions == 0


async def test_a_cell_cut_by_the_end_of_the_episode_gets_no_new_session(open_environment, puppet_sandbox):
    environment = await open_environment()
    last = await environment.step(run("hang"), timeout_s=1)
    assert last.reason is StopReason.DEADLINE
    assert puppet_sandbox.opened == 1


async def test_dying_is_the_agents_act_when_the_canary_lives(open_environment):
    environment = await open_environment()
    await environment.step(run("write 0.3"))
    await environment.step(SUBMIT)
    last = await environment.step(run("die"))
    assert (last.truncated, last.reason) == (True, StopReason.SESSION_DIED)
    assert (await environment.conclude()).score == 0.3


async def test_dying_is_the_infrastructures_act_when_the_canary_dies_too(open_environment, puppet_sandbox):
    environment = await open_environment()
    puppet_sandbox.canary_fails = True
    with pytest.raises(SandboxError, match="canary"):
        await environment.step(run("die"))


async def test_closing_twice_is_harmless(open_environment, puppet_sandbox):
    environment = await open_environment()
    await environment.close()
    await environment.close()
    assert puppet_sandbox.open_sessions == 0
    with pytest.raises(RuntimeError, match="reset"):
        await environment.step(SUBMIT)
