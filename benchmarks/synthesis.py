"""What making tasks costs, what becomes of drafts, and whether the tasks tell agents apart.

    python benchmarks/synthesis.py --json out.json [-n 912] [--mix paper] [--rng-seed 1] [--out corpus] [--played 60]
        [--staged 20] [--proven 12 --kills 10] [--room 10000]

A corpus is made through the program, in two halves, so that growth would show: yields and reasons, processor time a
task, the largest process. Its boards are summed up (`sandmle tasks stats`), with drawings. Then five agents whose order
is known (the sample submission, three scripted agents, a solution that knows the rule) are ranked on some of its
tasks: who beats whom, and Kendall's tau by modality. On the same tasks the grid of `sandmle tasks stats` shows how far
the best single fixed program gets beside the best program of each task. The same command goes on where it was stopped.

Two small corpora are made beside it: one shows at which stage of a draft the processor time goes, the other is made
with one and two workers and killed on the way again and again, and must come out the same, byte for byte. Last, plans
alone are drafted for many more tasks, to see when a mix begins to repeat itself.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

from synthesis_parts.figures import table, tau_by, win_matrix
from synthesis_parts.fixed import fixed_lines, fixed_program
from synthesis_parts.making import as_data, make
from synthesis_parts.playing import play, ranks_without_playing
from synthesis_parts.proving import proof_lines, prove
from synthesis_parts.room import room, room_lines
from synthesis_parts.stages import stage_lines, stages

from sandmle.core.engine.corpus_makeup import makeup_lines, makeup_of
from sandmle.core.engine.likeness import alike_tasks
from sandmle.core.engine.settings import SynthesisSettings
from sandmle.core.engine.tasks import Task, list_tasks
from sandmle.plugins.llms.offline.demonstrator.drawings import write_drawings
from sandmle.plugins.llms.offline.demonstrator.grid import grid

PASSING: Final = 0.87
"""Share of the drafts of this corpus that pass every check but the one for near-duplicates."""


def main() -> None:
    """Read the command line, make, measure, print and write; every part as soon as it is there."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    told = _arguments()
    tasks, document = _made(told)
    _write(told.json, document)
    if told.played:
        played = _some(tasks, told.played)
        document["agents"] = _agents(played, told.runs)
        document["programs"] = fixed_program(played, grid(), told.workers)
        print("\n".join(fixed_lines(document["programs"])))
        _write(told.json, document)
    if told.staged:
        document["stages"] = stages(told.beside / "staged", told.staged, told.rng_seed, told.mix)
        print("\n".join(stage_lines(document["stages"])))
        _write(told.json, document)
    if told.proven:
        document["proof"] = prove(told.beside / "proven", told.proven, told.rng_seed, told.mix, told.kills)
        print("\n".join(proof_lines(document["proof"])))
        _write(told.json, document)
    if told.room:
        document["room"] = room(told.room, told.rng_seed, told.mix, PASSING)
        print("\n".join(room_lines(document["room"])))
    _write(told.json, document)


def _made(told: argparse.Namespace) -> tuple[list[Task], dict[str, Any]]:
    """The corpus' tasks, and what making them took and they are."""
    out: Path = told.out
    halves = tuple(make(out, count, told.rng_seed, told.mix, told.workers) for count in (told.n // 2 or 1, told.n))
    assert len(halves) == 2
    made = as_data(halves)
    print(f"{halves[1].accepted} tasks from {halves[1].drafts} drafts, yield {made['yield']:.2f}")
    for one in halves:
        print(
            f"{one.made} tasks: {one.core_s_per_task:.1f} core seconds each, {one.wall_s:.0f} s, {one.peak_mb:.0f} MB"
        )
    tasks = list(list_tasks(out))
    makeup = makeup_of([task.spec for task in tasks])
    print("\n".join(makeup_lines(makeup, told.mix)))
    return tasks, {
        "making": made,
        "makeup": makeup.as_json(),
        "alike": len(alike_tasks(tasks)),
        "drawings": [str(path) for path in write_drawings(told.plots, makeup, [one.spec for one in tasks], told.mix)],
    }


def _write(path: Path | None, document: dict[str, Any]) -> None:
    if path:
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=912, help="tasks to make")
    parser.add_argument("--mix", default="paper")
    parser.add_argument("--rng-seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=SynthesisSettings().workers, help="drafts under way at once")
    parser.add_argument("--out", type=Path, default=Path("synthesis-corpus"))
    parser.add_argument("--runs", type=Path, default=Path("synthesis-runs"), help="where the agents' episodes go")
    parser.add_argument("--plots", type=Path, default=Path("synthesis-plots"))
    parser.add_argument("--played", type=int, default=60, help="tasks for agents and programs; 0 plays none")
    parser.add_argument("--staged", type=int, default=20, help="tasks whose stages are timed; 0 times none")
    parser.add_argument("--proven", type=int, default=12, help="tasks that are made again and killed; 0 proves nothing")
    parser.add_argument("--kills", type=int, default=10, help="kills on the way to them")
    parser.add_argument("--beside", type=Path, default=Path("synthesis-beside"), help="where those two corpora go")
    parser.add_argument("--room", type=int, default=10_000, help="tasks to plan without data; 0 plans none")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _some(tasks: list[Task], count: int) -> list[Task]:
    """Tasks of all modalities in turn, up to the count."""
    by_modality: dict[str, list[Task]] = {}
    for task in tasks:
        by_modality.setdefault(task.spec.modality, []).append(task)
    rounds = [rows[at] for at in range(len(tasks)) for rows in by_modality.values() if at < len(rows)]
    return rounds[:count]


def _agents(tasks: list[Task], runs: Path) -> dict[str, Any]:
    runs.mkdir(parents=True, exist_ok=True)
    manifest = runs / "tasks.txt"
    manifest.write_text("".join(f"{task.layout.root.resolve()}\n" for task in tasks), "utf-8")
    played = play(manifest, runs)
    known = asyncio.run(ranks_without_playing(tasks))
    ranks = {task: {**known[task], **played.get(task, {})} for task in known}
    matrix = win_matrix(list(ranks.values()))
    taus = tau_by({task.spec.task_id: task.spec.modality for task in tasks}, ranks)
    print("\n".join(table(matrix)))
    print("Kendall's tau with the known order: " + ", ".join(f"{name} {value:.2f}" for name, value in taus.items()))
    return {"tasks": len(tasks), "wins": matrix, "tau": taus, "ranks": ranks}


if __name__ == "__main__":
    main()
