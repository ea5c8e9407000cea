"""Everything the page says, gathered into one value: corpus, runs, agents, matrix, and what to be careful about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sandmle.core.engine.matrix_table import Matrix, read_matrix
from sandmle.core.errors import UsageError
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.core.types.trajectory import FeedbackMode
from sandmle.plugins.reports import numbers
from sandmle.plugins.reports.corpus import CorpusView, TaskView, read_corpus
from sandmle.plugins.reports.learned import LearnedView, read_learned
from sandmle.plugins.reports.results import AgentView, Cell, PartRow, agents, matrix, part_rows
from sandmle.plugins.reports.runs import RunView, read_run

FEW_TASKS: Final = 10
"""Below this many tasks a bootstrap interval over tasks says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in the header's table."""

    run: RunView
    models: str
    scaffolds: str
    sandboxes: str
    feedback: str
    presets: str
    group_size: str
    began: str
    ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task of the matrix, whether or not its directory is at hand."""

    task_id: str
    title: str
    """Empty when the task directory is not at hand."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the templates render."""

    corpus: CorpusView | None
    runs: tuple[RunRow, ...]
    agents: tuple[AgentView, ...]
    rows: tuple[TaskRow, ...]
    part_rows: tuple[PartRow, ...]
    learned: LearnedView | None
    """None when no training was named."""
    crossed: Matrix | None
    """Models by scaffolds; None when no matrix was named."""
    caveats: tuple[str, ...]
    episodes: int
    expected: int
    made_at: str
    version: str

    def by_task(self, task_id: str) -> list[tuple[AgentView, tuple[Episode, ...]]]:
        """Each agent that tried a task, with its episodes there."""
        found = [(agent, tuple(one for one in agent.episodes if one.task_id == task_id)) for agent in self.agents]
        return [(agent, episodes) for agent, episodes in found if episodes]


def gather(
    tasks: Path | None,
    run_dirs: Sequence[Path],
    *,
    made_at: str,
    version: str,
    training_dirs: Sequence[Path] = (),
    held_out_dirs: Sequence[Path] = (),
    matrix_dir: Path | None = None,
) -> Page:
    """Read a corpus, runs, trainings, a matrix, or several of these.

    Args:
        tasks: the corpus.
        run_dirs: runs of agents, compared task by task.
        made_at: for the header.
        version: of sandmle.
        training_dirs: output directories of trainers.
        held_out_dirs: runs that measure the trained policies.
        matrix_dir: of models by scaffolds.

    Raises:
        UsageError: nothing was named, or one of them cannot be read; the message says which and why.
    """
    if tasks is None and matrix_dir is None and not run_dirs and not training_dirs and not held_out_dirs:
        raise UsageError(
            "nothing to report on; name a corpus with --tasks, runs with --run, trainings (--training) or a matrix "
            "(--matrix)"
        )
    corpus = None if tasks is None else read_corpus(tasks)
    names = _names(run_dirs)
    runs = {name: read_run(folder) for name, folder in zip(names, run_dirs, strict=True)}
    found = agents({name: run.episodes for name, run in runs.items()})
    known = {} if corpus is None else {task.task_id: task for task in corpus.tasks}
    played = {episode.task_id for run in runs.values() for episode in run.episodes}
    families = {task_id: task.spec.rule_family for task_id, task in known.items()}
    # With runs, the matrix shows what was played; tasks nobody tried are counted among the caveats.
    cells = matrix(sorted(played), found)
    return Page(
        corpus=corpus,
        runs=tuple(_run_row(name, run) for name, run in runs.items()),
        agents=found,
        rows=tuple(
            TaskRow(task_id=task_id, title=known[task_id].spec.title if task_id in known else "", cells=row)
            for task_id, row in cells.items()
        ),
        part_rows=part_rows(found),
        learned=read_learned(training_dirs, held_out_dirs, families),
        crossed=None if matrix_dir is None else read_matrix(matrix_dir),
        caveats=tuple(_caveats(corpus, runs, found, known, played)),
        episodes=sum(len(run.episodes) for run in runs.values()),
        expected=sum(len(run.episodes) if run.expected is None else run.expected for run in runs.values()),
        made_at=made_at,
        version=version,
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """Directory names, with the parent's before it where two are the same."""
    resolved = [folder.resolve() for folder in folders]
    if len(set(resolved)) < len(resolved):
        raise UsageError("--run names the same run directory twice")
    short = [path.name for path in resolved]
    longer = [f"{path.parent.name}/{path.name}" for path in resolved]
    chosen = [a if short.count(a) == 1 else b for a, b in zip(short, longer, strict=True)]
    return [name if chosen.count(name) == 1 else f"{name} ({n + 1})" for n, name in enumerate(chosen)]


def _run_row(name: str, run: RunView) -> RunRow:
    started = sorted(episode.started_at for episode in run.episodes)
    config = run.config

    def seen(values: Sequence[str], key: str) -> str:
        return ", ".join(sorted(set(values))) or str(config.get(key, "—"))

    return RunRow(
        run=replace(run, name=name),
        models=seen([episode.model for episode in run.episodes], "model"),
        scaffolds=seen([episode.scaffold for episode in run.episodes], "scaffold"),
        sandboxes=seen([f"{episode.sandbox} ({episode.level.value})" for episode in run.episodes], "sandbox"),
        feedback=seen([episode.feedback.value for episode in run.episodes], "feedback"),
        presets=seen([episode.reward.preset for episode in run.episodes if episode.reward], "reward"),
        group_size=str(config.get("group_size", "—")),
        began=started[0][:19].replace("T", " ") if started else "—",
        ended=started[-1][:19].replace("T", " ") if started else "—",
    )


def _caveats(
    corpus: CorpusView | None,
    runs: Mapping[str, RunView],
    found: Sequence[AgentView],
    known: Mapping[str, TaskView],
    played: set[str],
) -> list[str]:
    episodes = [episode for run in runs.values() for episode in run.episodes]
    return [
        *_run_caveats(runs, episodes),
        *_agent_caveats(found),
        *_task_caveats(corpus, runs, known, played),
    ]


def _run_caveats(runs: Mapping[str, RunView], episodes: Sequence[Episode]) -> list[str]:
    lines = [
        f"Run {name} is incomplete: {len(run.episodes)} of {run.expected} episodes are recorded."
        for name, run in runs.items()
        if not run.complete
    ]
    lost = sum(episode.outcome is Outcome.INFRASTRUCTURE for episode in episodes)
    for name, run in runs.items():
        if run.failures:
            said = [
                f"{n} after {kind} ({numbers.percent(run.failure_rates[kind])})" for kind, n in run.failures.items()
            ]
            lines.append(f"Infrastructure failures in run {name}, with their rate per action: {', '.join(said)}.")
    if lost:
        lines.append(f"{lost} episodes were lost to the infrastructure: in no mean, and never a reward of 0.")
    weak = sorted({one.level.value for one in episodes if one.level in (IsolationLevel.L0, IsolationLevel.L2)})
    if "L0" in weak:
        lines.append("Some episodes ran at isolation level L0: agent code was bounded by resource limits only.")
    if "L2" in weak:
        lines.append("Some episodes ran at isolation level L2: one wall less than L3, namespaces or Landlock.")
    modes = {episode.feedback for episode in episodes}
    if len(modes) > 1:
        lines.append("Episodes were run under different feedback modes; their agents met different worlds.")
    if FeedbackMode.FULL in modes:
        lines.append("Feedback mode full shows agents the private score; such scores are not comparable with others.")
    if len({episode.reward.preset for episode in episodes if episode.reward}) > 1:
        lines.append("Rewards come from different presets and are not comparable; HumanRank and medals are.")
    return lines


def _agent_caveats(found: Sequence[AgentView]) -> list[str]:
    lines = []
    scripted = sorted({agent.summary.model for agent in found if agent.summary.model.startswith("offline/")})
    if scripted:
        lines.append(f"Scripted agents, not language models: {', '.join(scripted)}.")
    if found and min(agent.summary.human_rank.tasks for agent in found) < FEW_TASKS:
        lines.append(f"An agent has fewer than {FEW_TASKS} tasks; its intervals over tasks are rough.")
    sets = {frozenset(one.task_id for one in agent.episodes) for agent in found}
    if len(sets) > 1:
        lines.append("The agents were not run on the same tasks, so their means are not directly comparable.")
    return lines


def _task_caveats(
    corpus: CorpusView | None, runs: Mapping[str, RunView], known: Mapping[str, TaskView], played: set[str]
) -> list[str]:
    if corpus is None:
        return ["No corpus was given (--tasks), so tasks are known by name only."] if played else []
    lines = []
    absent = sorted(played - known.keys())
    if absent:
        lines.append(f"{len(absent)} tasks that were run are not in the corpus given: {', '.join(absent[:6])}.")
    idle = sorted(known.keys() - played)
    if played and idle:
        lines.append(f"{len(idle)} tasks of the corpus were run by no agent here.")
    changed = sorted(
        {
            task_id
            for run in runs.values()
            for task_id, hashed in run.task_sha256.items()
            if task_id in known and known[task_id].sha256 != hashed
        }
    )
    if changed:
        lines.append(
            f"{len(changed)} tasks are not what they were when they were run: {', '.join(changed[:6])}. Boards and "
            "thresholds below are of the corpus as it is now; grades are of then."
        )
    return lines
