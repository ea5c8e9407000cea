"""The four prompts of the protocol. Pure but for reading the prompt files."""

from typing import Final

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message
from sandmle.scaffolds.common.prompts import render_prompt
from sandmle.scaffolds.common.truncation import head_and_tail
from sandmle.scaffolds.mle_agent.config import MleAgentConfig
from sandmle.scaffolds.mle_agent.history import CHARS_PER_TOKEN
from sandmle.scaffolds.mle_agent.operators import INFO_TYPES, Result

PACKAGE: Final = "sandmle.scaffolds.mle_agent"


def instruction(episode: EpisodeContext, config: MleAgentConfig, actions_left: int) -> Message:
    """The first message of the conversation. It holds nothing of the task: the policy is to ask for that."""
    return _message(
        "instruction.md",
        **_budget(episode, config, actions_left),
        cell_timeout=f"{episode.limits.cell_timeout_s:g}",
        info_types=INFO_TYPES,
        feedback=episode.feedback.value,
        answers=_answers(),
    )


def result_message(episode: EpisodeContext, config: MleAgentConfig, result: Result, actions_left: int) -> Message:
    """What the last action came to."""
    return _message(
        "error.md" if result.failed else "results.md",
        **_budget(episode, config, actions_left),
        result=head_and_tail(result.text, config.observation_chars),
    )


def repair_request(config: MleAgentConfig, answer: str, problem: str) -> Message:
    """The whole conversation in which an answer is repaired."""
    shown = head_and_tail(answer, CHARS_PER_TOKEN * config.max_prompt_tokens)
    return _message("repair.md", answer=shown, problem=problem, answers=_answers())


def _budget(episode: EpisodeContext, config: MleAgentConfig, actions_left: int) -> dict[str, object]:
    seconds_left = int(episode.remaining_s) if config.show_time else None
    return {"actions_left": actions_left, "seconds_left": seconds_left}


def _answers() -> str:
    return render_prompt(PACKAGE, "answers.md")


def _message(name: str, **fields: object) -> Message:
    return Message(role="user", content=render_prompt(PACKAGE, name, **fields))
