"""`sandmle synth` makes a corpus, `synth-splits` one in parts; `sandmle tasks` lists, shows, checks and splits."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandmle.plugins.synthesizer.proof.commands import register as register_verify

if TYPE_CHECKING:
    from sandmle.core.engine.synthesis import SynthesisResult
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.core.types.task import TaskSpec

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]
Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="A corpus, a folder of task directories, or one task directory.")
]
HeldOutFamilies = Annotated[int, typer.Option(min=1, help="Rule families that only the held-out part has.")]

FOUND_PROBLEMS, FELL_SHORT = 1, 3

tasks_app = typer.Typer(no_args_is_help=True, help="List, show and check task directories.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(synth)
    app.command()(synth_splits)
    register_verify(tasks_app)
    app.add_typer(tasks_app, name="tasks")


def synth(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Corpus folder; the same command resumes it.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Tasks the folder shall hold.")] = 8,
    rng_seed: Annotated[int, typer.Option("--rng-seed", help="Decides every random choice.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Drafts under way at once.")] = None,
    model: Annotated[str | None, typer.Option(help="Model that plays the roles, such as openai/gpt-5.")] = None,
    role_model: Annotated[
        list[str] | None,
        typer.Option("--role-model", metavar="ROLE=MODEL", help="Model of one role; may be repeated."),
    ] = None,
    api_base: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the models' server, if it is one of your own.")
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option("--budget-tokens", min=1, help="Tokens that all roles together may spend.")
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", help="US dollars that all roles together may spend.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option("--budget-minutes", help="Minutes after which this start stops.")
    ] = None,
    seeds: Annotated[list[str] | None, typer.Option(help="Seed source; may be repeated.")] = None,
    mix: Annotated[str | None, typer.Option(help="Shares of kinds of task to keep to: paper, even.")] = None,
    difficulty: Annotated[str | None, typer.Option(help="easy, medium or hard; a mix has all three.")] = None,
    scale: Annotated[int | None, typer.Option(help="Training rows of every task, instead of 50 to 200.")] = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Make tasks: roles plan, generate, evaluate and describe each draft; checks decide which become tasks."""
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.synthesizer.drafter import make_corpus

    words = {
        "synthesis.workers": workers,
        "synthesis.model": model,
        **_role_models(role_model or []),
        "plugin.llm.litellm.api_base": api_base,
        "budget.synth_tokens": budget_tokens,
        "budget.synth_usd": budget_usd,
        "budget.synth_minutes": budget_minutes,
        "synthesis.seeds": list(seeds) if seeds else None,
        **_kinds_wished(mix, difficulty, scale),
    }
    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []), words)
    progress = toolkit.make(Kind.TRACKER, "progress")
    try:
        result = run_until_interrupted(
            lambda drain: make_corpus(toolkit, out, count, rng_seed, drain=drain, on_event=progress.record)
        )
    finally:
        progress.close()
    _print_json(_summary(result)) if as_json else typer.echo("\n".join(_summary_lines(result)))
    if not result.complete:
        typer.echo(_why_short(result, toolkit.settings.synthesis.max_drafts_per_task), err=True)
        raise typer.Exit(FELL_SHORT)


def _kinds_wished(mix: str | None, difficulty: str | None, scale: int | None) -> dict[str, Any]:
    return {"synthesis.mix": mix, "synthesis.difficulty": difficulty, "synthesis.scale": scale}


def synth_splits(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for corpora and manifests; resumed likewise.")],
    train: Annotated[int, typer.Option(min=1, help="Training tasks.")] = 64,
    validation: Annotated[int, typer.Option(min=0, help="Tasks to choose checkpoints on.")] = 16,
    fresh: Annotated[int, typer.Option(min=0, help="Tasks of known families and seeds, never trained on.")] = 24,
    held_out: Annotated[int, typer.Option(min=1, help="Tasks of families and seeds never trained on.")] = 32,
    held_out_families: HeldOutFamilies = 4,
    rng_seed: Annotated[int, typer.Option("--rng-seed", help="Decides every random choice.")] = 0,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Make a corpus in parts: train, validation, fresh data of known families, held-out families and seeds."""
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.synthesizer.learning_corpus import Sizes, make_split

    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []))
    sizes = Sizes(train=train, validation=validation, fresh=fresh, held_out=held_out, families=held_out_families)
    progress = toolkit.make(Kind.TRACKER, "progress")
    try:
        results, table = run_until_interrupted(
            lambda drain: make_split(toolkit, out, sizes, rng_seed, drain=drain, on_event=progress.record)
        )
    finally:
        progress.close()
    if table is None:
        typer.echo(_why_short(results[-1], toolkit.settings.synthesis.max_drafts_per_task), err=True)
        raise typer.Exit(FELL_SHORT)
    _print_table(table, as_json)


def _role_models(pairs: list[str]) -> dict[str, str]:
    from sandmle.core.errors import ConfigError

    found = {}
    for pair in pairs:
        role, equals, model = pair.partition("=")
        if not equals or not role.strip() or not model.strip():
            raise ConfigError(f"--role-model {pair!r}: write it as ROLE=MODEL, such as ml-developer=openai/gpt-5")
        found[f"synthesis.role_models.{role.strip()}"] = model.strip()
    return found


def _summary(result: "SynthesisResult") -> dict[str, Any]:
    return {
        "out": str(result.out),
        "accepted": len(result.tasks),
        "wanted": result.wanted,
        "complete": result.complete,
        "drafts": result.drafts,
        "rejections": dict(result.rejections),
        "manifest_sha256": result.manifest_sha256,
        "stopped": "interrupted" if result.drained else result.used_up,
        "spent": {"all": asdict(result.spent), **{role: asdict(use) for role, use in result.spent_by_role.items()}},
        "tasks": [_row(spec) for spec in result.tasks],
    }


def _summary_lines(result: "SynthesisResult") -> list[str]:
    lines = [f"{len(result.tasks)} tasks in {result.out}, from {result.drafts} drafts"]
    lines += [f"  {count:>4} rejected by {check}" for check, count in result.rejections.items()]
    tokens = result.spent.prompt_tokens + result.spent.completion_tokens
    if tokens:
        lines.append(f"  {tokens} tokens and {result.spent.cost_usd:.4g} USD spent by the roles")
    return [*lines, *(_line(_row(spec)) for spec in result.tasks)]


def _why_short(result: "SynthesisResult", drafts_per_task: int) -> str:
    short = f"{len(result.tasks)} of {result.wanted} tasks are there and kept"
    if result.drained:
        return f"interrupted: {short}; the same command goes on"
    if result.used_up:
        return f"{short}: {result.used_up}"
    return (
        f"gave up after {result.drafts} drafts ({drafts_per_task} for every task asked for): {short}; "
        "ledger.jsonl says why each draft was rejected; raise synthesis.max_drafts_per_task to go on"
    )


def _row(spec: "TaskSpec") -> dict[str, Any]:
    return {
        "task_id": spec.task_id,
        "title": spec.title,
        "modality": spec.modality,
        "task_type": spec.task_type,
        "metric": spec.metric.name,
        "direction": spec.metric.direction.value,
        "domain": spec.domain,
        "rule_family": spec.rule_family,
        "train_rows": spec.rows.train,
        "seed_id": spec.provenance.seed_id,
    }


def _line(row: dict[str, Any]) -> str:
    return f"{row['task_id']:<58} {row['task_type']:<15} {row['metric']:<18} {row['title']}"


@tasks_app.command("list")
def tasks_list(folder: Folder, as_json: Json = False) -> None:
    """One line per task."""
    from sandmle.core.engine.plain import plain
    from sandmle.core.engine.tasks import list_tasks

    rows = [_row(task.spec) for task in list_tasks(folder)]
    _print_json({"tasks": rows}) if as_json else typer.echo("\n".join(plain(_line(row)) for row in rows))


@tasks_app.command("show")
def tasks_show(folder: Folder, as_json: Json = False) -> None:
    """Everything about the tasks: what task.toml says, and the description the agent reads."""
    from sandmle.core.engine.tasks import list_tasks, spec_toml

    tasks = list_tasks(folder)
    if as_json:
        _print_json(
            {"tasks": [{**task.spec.model_dump(mode="json"), "description": task.description} for task in tasks]}
        )
        return
    typer.echo("\n\n".join(f"{spec_toml(task.spec)}\n{task.description}" for task in tasks))


@tasks_app.command("check")
def tasks_check(folder: Folder, as_json: Json = False) -> None:
    """Look for anything that is not as it should be: hashes, files, thresholds, boards, answers in sight."""
    from sandmle.core.engine.plain import problem_line, problem_row
    from sandmle.plugins.synthesizer.audit import audit

    report = audit(folder)
    problems = [problem_row(name, problem) for name, problem in report.problems]
    if as_json:
        _print_json({"tasks": report.tasks, "problems": problems})
    else:
        lines = [*map(problem_line, problems), f"{report.tasks} tasks, {len(problems)} problems"]
        typer.echo("\n".join(lines))
    if problems:
        raise typer.Exit(FOUND_PROBLEMS)


@tasks_app.command("split")
def tasks_split(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Corpora, or manifests of tasks.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the manifests and split.json.")],
    held_out_families: HeldOutFamilies = 4,
    held_out_seeds: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the seeds of every kind held out too; 0 holds out none.")
    ] = 0.25,
    validation: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the known tasks.")] = 0.15,
    fresh: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the known tasks.")] = 0.25,
    rng_seed: Annotated[int, typer.Option("--rng-seed", help="Decides who is where.")] = 0,
    as_json: Json = False,
) -> None:
    """Part tasks that are there into train, validation, fresh and held-out: manifests for --tasks."""
    from sandmle.core.engine.tasks import list_tasks
    from sandmle.plugins.synthesizer.splits import Holdout, draw_families, draw_seeds, part_tasks, write_split

    tasks = [task for folder in folders for task in list_tasks(folder)]
    modalities = {task.spec.rule_family: task.spec.modality for task in tasks}
    kinds = {one.spec.provenance.seed_id: f"{one.spec.modality} {one.spec.task_type}" for one in tasks}
    ordered = sorted(modalities, key=lambda family: (modalities[family], family))
    holdout = Holdout(
        families=draw_families(ordered, held_out_families, rng_seed),
        seed_ids=draw_seeds(kinds, held_out_seeds, rng_seed),
    )
    parts = part_tasks(tasks, holdout, validation=validation, fresh=fresh, rng_seed=rng_seed)
    _print_table(write_split(out, parts, holdout), as_json)


def _print_table(table: dict[str, Any], as_json: bool) -> None:
    from sandmle.plugins.synthesizer.splits import table_lines

    _print_json(table) if as_json else typer.echo("\n".join(table_lines(table)))


def _print_json(document: Any) -> None:
    from sandmle.core.engine.summary import json_ready

    # Thresholds of a task that awards no medals are NaN, for which JSON has no word.
    typer.echo(json.dumps(json_ready(document), ensure_ascii=False, allow_nan=False, indent=2))
