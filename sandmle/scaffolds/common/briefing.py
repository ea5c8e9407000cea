"""What every scaffold can tell of a task and its limits, for the fields of its prompts. Pure."""

from sandmle.core.contracts.scaffold import EpisodeContext


def briefing(episode: EpisodeContext) -> dict[str, object]:
    """Fields of a prompt. They hold no date and nothing random: the same task, the same prompt."""
    return {
        "description": episode.task.description.strip(),
        "files": episode.task.files,
        "max_turns": episode.limits.max_turns,
        "cell_timeout": f"{episode.limits.cell_timeout_s:g}",
        "feedback": episode.feedback.value,
        "max_scored_submissions": episode.limits.max_scored_submissions,
    }
