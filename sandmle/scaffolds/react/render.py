"""What the policy is shown: the prompts, and tool responses. Pure but for reading the prompt files."""

import re
from typing import Final

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import Observation
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.truncation import head_and_tail
from sandmle.scaffolds.react.config import ReactConfig

PACKAGE = "sandmle.scaffolds.react"
IGNORED = "\n(What followed the first <tool_response> in your reply was ignored: only tools write tool responses.)"

BRIEF_CHARS: Final = 600
"""Characters of a tool response, and of a description that says nothing of a metric, under the brief prompt."""
_HEADING: Final = re.compile(r"^#+[ \t]*(.*)$", re.MULTILINE)
_ABOUT_METRIC: Final = re.compile(r"metric|evaluation|scor", re.IGNORECASE)


def opening_messages(episode: EpisodeContext, config: ReactConfig) -> list[Message]:
    """The conversation an episode begins with. It holds no date and nothing random: the same task, the same prompt."""
    if config.prompt == "brief":
        return [
            Message(role="system", content=render_prompt(PACKAGE, "system-brief.md")),
            Message(role="user", content=about_metric(episode.task.description)),
        ]
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


def about_metric(description: str) -> str:
    """What a description says under the headings about its metric; when it has none, the head and tail of it all."""
    headings = list(_HEADING.finditer(description))
    ends = [heading.start() for heading in headings[1:]] + [len(description)]
    parts = [
        description[heading.start() : end].strip()
        # Without a heading there is one end and nothing that it ends.
        for heading, end in zip(headings, ends, strict=False)
        if _ABOUT_METRIC.search(heading[1])
    ]
    return "\n".join(parts) or head_and_tail(description.strip(), BRIEF_CHARS)


def render_response(observation: Observation, config: ReactConfig, *, ignored: bool = False) -> str:
    """An observation as the tool response it becomes."""
    text = observation.text.strip()
    limit = config.observation_chars
    if config.prompt == "brief":
        limit = min(limit, BRIEF_CHARS)
        if observation.cell is CellStatus.ERROR:
            text = text.splitlines()[-1] if text else text
    text = head_and_tail(text, limit)
    if observation.cell is not None:
        text = f"Status: {observation.cell.value}\n{text}"
    # Agent code decides what it prints; it must not be able to close the response and speak for the tools.
    text = text.replace("<tool_response>", "<tool_response >").replace("</tool_response>", "</tool_response >")
    return f"<tool_response>\n{text}{IGNORED if ignored else ''}\n</tool_response>"
