"""Plays the scripted agents on a corpus through the program, and grades who needs no playing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from sandmle.core.engine.board_files import read_board, second_column
from sandmle.core.engine.boards import PositionBoard
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.tasks import Task

MODELS: Final = {
    "weak": "offline/agent-weak",
    "middle": "offline/agent",
    "strong": "offline/agent-strong",
}
INSIDER: Final = "rule-clean"
"""The reference solution that knows the rule's form and undoes what noise can be undone."""


async def ranks_without_playing(tasks: list[Task]) -> dict[str, dict[str, float]]:
    """HumanRank of the sample submission and of the insider, by task."""
    grader = LocalGrader()
    found: dict[str, dict[str, float]] = {}
    try:
        for task in tasks:
            grade = await grader.grade(task.layout.root, task.layout.sample_submission.read_bytes())
            board = PositionBoard(second_column(read_board(task.layout.leaderboard)), task.spec.metric.direction)
            row = {"sample": grade.human_rank or 0.0}
            scores = {one.name: one.score for one in task.spec.solutions}
            if INSIDER in scores:
                row["insider"] = board.place(round(scores[INSIDER], 5)).position_score
            found[task.spec.task_id] = row
    finally:
        await grader.close()
    return found


def play(corpus: Path, out: Path) -> dict[str, dict[str, float]]:
    """HumanRank of each scripted agent, by task; one episode each. Resumed where it was stopped.

    Raises:
        SystemExit: the program failed.
    """
    found: dict[str, dict[str, float]] = {}
    for agent, model in MODELS.items():
        words = ["run", "--tasks", str(corpus), "--model", model, "-k", "1", "-o", str(out / agent)]
        if subprocess.run([sys.executable, "-m", "sandmle.cli", *words], stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"sandmle {' '.join(words)} failed")
        for line in (out / agent / "episodes.jsonl").read_text("utf-8").splitlines():
            episode = json.loads(line)
            grade = episode.get("grade") or {}
            found.setdefault(episode["task_id"], {})[agent] = grade.get("human_rank") or 0.0
    return found
