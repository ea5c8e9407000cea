"""Native tool calls through the episode's record, and actions that an environment withholds."""

import pytest

from sandmle.core.engine.crews import check_names
from sandmle.core.engine.environment import Environment, Rules
from sandmle.core.engine.recording import RecordingContext, Sampling
from sandmle.core.engine.runs import record_of
from sandmle.core.engine.settings import RunSettings, Settings
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.types.message import Message, ModelReply, ToolCall, ToolSpec
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOL = ToolSpec(name="run", description="Run.", parameters={"type": "object"})
CALL = ToolCall(call_id="a", name="run\udc80", arguments="{}")


class CallingModel:
    """Calls a function on every turn, and keeps what it was offered."""

    name = "calling/model"

    def __init__(self):
        self.offered, self.heard = [], []

    async def reply(self, messages, options):
        self.offered.append(options.tools)
        self.heard.append(tuple(messages))
        return ModelReply(text="", tool_calls=(CALL,), sampled_ids=(1, 2), log_probs=(-0.1, -0.2))

    async def close(self):
        """Nothing to let go of."""


async def test_calls_are_recorded_and_a_conversation_that_keeps_them_is_one_segment(
    task, grader, puppet_sandbox, stage
):
    model = CallingModel()
    async with Environment(task=task, sandbox=puppet_sandbox, grader=grader, rules=stage.rules()) as environment:
        context = RecordingContext(
            view=await environment.reset(),
            slot=0,
            environment=environment,
            model=model,
            sampling=Sampling(rng_seed=0, temperature=1.0, max_tokens=9, llm_timeout_s=9),
            limits=stage.rules().limits,
            feedback=FeedbackMode.PUBLIC_BOARD,
            opened_at=0.0,
        )
        assert 0 < context.remaining_s <= stage.rules().limits.episode_timeout_s
        asked = [Message(role="user", content="Go.")]
        reply = await context.ask(asked, tools=(TOOL,))
        asked += [
            Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls),
            Message(role="tool", content="1", tool_call_id="a"),
        ]
        await context.ask(asked, tools=(TOOL,))
    assert model.offered == [(TOOL,), (TOOL,)]
    assert reply.tool_calls[0].name == "run?"
    assert model.heard[1][1].token_ids == (1, 2)
    [segment] = context.trajectory().segments
    assert [entry.message.role for entry in segment.entries] == ["user", "assistant", "tool", "assistant"]
    assert segment.entries[1].message.tool_calls == reply.tool_calls


async def test_a_withheld_action_does_nothing_and_says_so(task, grader, puppet_sandbox, stage):
    rules = Rules(feedback=FeedbackMode.FULL, limits=stage.rules().limits, withheld=frozenset({ActionKind.SUBMIT}))
    async with Environment(task=task, sandbox=puppet_sandbox, grader=grader, rules=rules) as environment:
        await environment.reset()
        await environment.step(Action(kind=ActionKind.RUN_CODE, code="write 0.1"))
        result = await environment.step(Action(kind=ActionKind.SUBMIT))
        assert "does not offer 'submit'" in result.observation.text
        assert result.observation.grade is None
        # What is left in place still counts.
        grade = await environment.conclude()
        assert grade is not None
        assert grade.valid


def toolkit(**run):
    settings = Settings(run=RunSettings(trackers=(), **run))
    return Toolkit(plugins=load_plugins(), settings=settings)


@pytest.mark.parametrize("withheld", ["submit", "run_code"])
async def test_a_scaffold_that_needs_what_is_withheld_is_refused_by_name(withheld):
    with pytest.raises(ConfigError, match=f"scaffold 'react' needs the action '{withheld}'.*does not offer"):
        check_names(toolkit(scaffold="react", withheld_actions=(withheld,)))
    check_names(toolkit(scaffold="react"))


async def test_runs_from_before_anything_could_be_withheld_still_resume():
    assert "withheld_actions" not in record_of(toolkit(), [])["run"]
    assert record_of(toolkit(withheld_actions=("submit",)), [])["run"]["withheld_actions"] == ["submit"]
