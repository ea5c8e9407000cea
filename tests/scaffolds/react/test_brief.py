"""The brief prompt: what is kept of a description and of a tool response."""

from sandmle.core.conformance.scaffold import ScriptedEpisode, play
from sandmle.core.contracts.scaffold import TaskView
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import Observation, StopReason
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.render import BRIEF_CHARS, about_metric, render_response
from sandmle.scaffolds.react.scaffold import ReactScaffold

BRIEF = ReactConfig(prompt="brief")
DESCRIPTION = "# Pumps\n\nA long story.\n\n## Metric\n\nScored by `rmsle`.\n\n## Submission\n\nA file.\n"
CODE = "<think>\nlook\n</think>\n<code>\nprint(1)\n</code>"
ANSWER = "<think>\nanswer\n</think>\n<answer>submission</answer>"


async def test_the_prompt_holds_what_is_said_of_the_metric_and_no_more():
    episode = ScriptedEpisode([CODE, ANSWER], task=TaskView(task_id="t", description=DESCRIPTION, files=()))
    assert await play(ReactScaffold(BRIEF), episode) is StopReason.FINISHED
    system, user = episode.asked[0]
    assert user.content == "## Metric\n\nScored by `rmsle`."
    assert len(system.content) < 300


async def test_the_default_prompt_still_holds_the_whole_description():
    episode = ScriptedEpisode([ANSWER], task=TaskView(task_id="t", description=DESCRIPTION, files=()))
    await play(ReactScaffold(ReactConfig()), episode)
    assert "A long story." in episode.asked[0][1].content


def test_headings_that_speak_of_evaluation_or_scoring_count_too():
    assert about_metric("# A\n\n# How it is scored\nx\n# Evaluation\ny") == "# How it is scored\nx\n# Evaluation\ny"


def test_a_description_without_such_a_heading_is_shortened():
    assert about_metric("Scored by rmse.") == "Scored by rmse."
    assert len(about_metric("x" * 5000)) == BRIEF_CHARS


def test_of_an_error_the_last_line_is_shown_and_of_long_output_head_and_tail():
    failed = Observation(text="Traceback\n  File x\nKeyError: 'text'\n", cell=CellStatus.ERROR)
    assert render_response(failed, BRIEF) == "<tool_response>\nStatus: error\nKeyError: 'text'\n</tool_response>"
    assert "Traceback" in render_response(failed, ReactConfig())
    silent = Observation(text="", cell=CellStatus.ERROR)
    assert render_response(silent, BRIEF) == "<tool_response>\nStatus: error\n\n</tool_response>"
    long = Observation(text="a" * 5000, cell=CellStatus.OK)
    assert len(render_response(long, BRIEF)) < BRIEF_CHARS + 60
