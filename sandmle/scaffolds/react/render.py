"""What the policy is shown: the prompts, and tool responses. Pure but for reading the prompt files."""

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Observation
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.truncation import head_and_tail
from sandmle.scaffolds.react.config import ReactConfig

PACKAGE = "sandmle.scaffolds.react"
IGNORED = "\n(What followed the first <tool_response> in your reply was ignored: only tools write tool responses.)"


def opening_messages(episode: EpisodeContext) -> list[Message]:
    """The conversation an episode begins with. It holds no date and nothing random: the same task, the same prompt."""
    task = render_prompt(
        PACKAGE,
        "task.md",
        description=episode.task.description.strip(),
        files=episode.task.files,
        max_turns=episode.limits.max_turns,
        cell_timeout=f"{episode.limits.cell_timeout_s:g}",
        feedback=episode.feedback.value,
        max_scored_submissions=episode.limits.max_scored_submissions,
    )
    return [
        Message(role="system", content=render_prompt(PACKAGE, "system.md")),
        Message(role="user", content=task),
    ]


def render_response(observation: Observation, config: ReactConfig, *, ignored: bool = False) -> str:
    """An observation as the tool response it becomes."""
    text = head_and_tail(observation.text.strip(), config.observation_chars)
    if observation.cell is not None:
        text = f"Status: {observation.cell.value}\n{text}"
    # Agent code decides what it prints; it must not be able to close the response and speak for the tools.
    text = text.replace("<tool_response>", "<tool_response >").replace("</tool_response>", "</tool_response >")
    return f"<tool_response>\n{text}{IGNORED if ignored else ''}\n</tool_response>"
