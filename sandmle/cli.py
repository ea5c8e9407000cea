"""The program: parse the words, make one engine call, print.

Commands of a plugin family stand beside that family and come in by `sandmle_register_commands`.
Exit codes: 0 done; 1 problems were found in what was checked; 2 wrong usage, configuration or input;
3 stopped short of what was asked for (the message says why, and the same command goes on);
4 the machinery failed; 5 a plugin failed; 130 interrupted twice.
"""

import errno
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import ConfigError, InfrastructureError, PluginError, SandmleError

MACHINERY_FAILED = 4
EXIT_CODES = ((InfrastructureError, MACHINERY_FAILED), (PluginError, 5), (SandmleError, 2))

UNUSABLE_PATHS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EROFS)
"""What the operating system says of paths that no program can use."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]

plugins_app = typer.Typer(no_args_is_help=True, help="See what is registered, and by whom.")
config_app = typer.Typer(no_args_is_help=True, help="See the resolved configuration.")


def build_app(toolkit: Toolkit, *, strict_plugins: bool = False) -> typer.Typer:
    """The program with every plugin's commands.

    Raises:
        PluginError: with `strict_plugins`, a plugin's commands cannot be used.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Make, run, reward and learn from micro-scale machine-learning-engineering tasks.",
    )

    broken_plugins = list(toolkit.plugins.broken)

    @app.callback(invoke_without_command=True)
    def program(
        context: typer.Context,
        config: Annotated[
            Path | None, typer.Option(help="TOML file; default: sandmle.toml here, if there is one.")
        ] = None,
        strict_plugins: Annotated[
            bool, typer.Option("--strict-plugins", help="Stop at a broken plugin instead of leaving it out.")
        ] = False,
        version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    ) -> None:
        if version:
            from importlib.metadata import version as installed

            typer.echo(installed("sandmle"))
            raise typer.Exit
        plugins = replace(toolkit.plugins, broken=tuple(broken_plugins))
        context.obj = Toolkit(plugins=plugins, file=config or _config_variable())
        for broken in broken_plugins:
            typer.echo(f"warning: {broken.problem} (from {broken.source}); left out", err=True)

    app.command()(doctor)
    app.command()(run)
    app.command()(rescore)
    app.command()(grade)
    app.add_typer(plugins_app, name="plugins")
    app.add_typer(config_app, name="config")
    broken_plugins.extend(toolkit.plugins.add_commands(app, typer.main.get_command, strict=strict_plugins))
    app.registered_groups.sort(key=lambda group: str(group.name))
    return app


def doctor(
    context: typer.Context,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Only attack each sandbox from inside, and say what remains open.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Only run the trainers' canaries: weight sync, masks, template, reward.")
    ] = False,
    policy: Annotated[Path | None, typer.Option(help="With --training: a checkpoint or training run.")] = None,
    engine: Annotated[str | None, typer.Option(help="With --training: model that writes rollouts.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Only say what stands in the way of playing this benchmark, such as mlebench.")
    ] = None,
    checkout: Annotated[Path | None, typer.Option(help="With --benchmark: checkout of its repository.")] = None,
    data: Annotated[Path | None, typer.Option(help="With --benchmark: its data directory.")] = None,
    split: Annotated[str | None, typer.Option(help="With --benchmark: what is to be played of it.")] = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Check that this machine can do the job: Python, extras, plugins, and each sandbox by live attacks."""
    import asyncio

    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.engine.doctor import Finding, examine, examine_benchmark, examine_training
    from sandmle.core.engine.surveys import Survey, survey_sandboxes

    if sandbox + training + bool(benchmark) > 1:
        raise ConfigError("give one of --sandbox, --training and --benchmark")
    if ((policy or engine) and not training) or ((checkout or data or split) and not benchmark):
        raise ConfigError(
            "--policy and --engine say what --training looks at, --checkout, --data and --split what --benchmark does"
        )
    words = {"checkout": checkout and str(checkout), "data": data and str(data), "split": split}
    options = {f"plugin.benchmark.{benchmark}.{name}": word for name, word in words.items()}
    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []), options if benchmark else {})
    found: Sequence[Finding | Survey]
    with redirect_stdout(sys.stderr):
        if benchmark:
            found = asyncio.run(examine_benchmark(toolkit, benchmark))
        elif training:
            found = asyncio.run(examine_training(toolkit, policy, engine))
        else:
            found = asyncio.run(survey_sandboxes(toolkit) if sandbox else examine(toolkit))
    if as_json:
        kind = "benchmark" if benchmark else "training" if training else "sandboxes" if sandbox else "checks"
        _print_json({kind: [f.as_json() for f in found]})
    else:
        typer.echo("\n".join(one.as_text() for one in found))
    if any(one.verdict == "failed" for one in found):
        raise typer.Exit(1)


def run(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory; the same command resumes it.")],
    tasks: Annotated[Path | None, typer.Option("--tasks", help="Directory of task directories.")] = None,
    scaffold: Annotated[str | None, typer.Option(help="Scaffold name.")] = None,
    model: Annotated[str | None, typer.Option(help="Model string, such as offline/agent or openai/gpt-5.")] = None,
    api_base: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the model's server, if it is one of your own.")
    ] = None,
    group_size: Annotated[int | None, typer.Option("-k", "--group-size", help="Episodes per task.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="Sandbox backend.")] = None,
    feedback: Annotated[str | None, typer.Option(help="validate_only, public_board or full.")] = None,
    reward: Annotated[str | None, typer.Option(help="Reward preset.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Episodes under way at once.")] = None,
    rng_seed: Annotated[int | None, typer.Option("--rng-seed", help="Decides every random choice.")] = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Run an agent on tasks, k episodes each, and reward every episode."""
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.core.engine.runs import run_tasks

    words = {
        "run.scaffold": scaffold,
        "run.model": model,
        "plugin.llm.litellm.api_base": api_base,
        "run.group_size": group_size,
        "run.sandbox": sandbox,
        "run.feedback": feedback,
        "run.reward": reward,
        "run.concurrency": concurrency,
        "run.rng_seed": rng_seed,
        "plugin.benchmark.corpus.path": str(tasks) if tasks else None,
    }
    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []), words)
    summary = run_until_interrupted(lambda drain: run_tasks(toolkit, out, drain))
    _print_json(summary.as_json()) if as_json else typer.echo(summary.as_text())
    if summary.lost:
        typer.echo(f"error: {summary.lost}", err=True)
        raise typer.Exit(MACHINERY_FAILED)
    if not summary.complete:
        raise typer.Exit(3)


def rescore(
    context: typer.Context,
    run_dir: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory; it is not altered but for one new file.")
    ],
    reward: Annotated[str, typer.Option("--reward", help="Reward preset.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; default: RUN/rewards-NAME.jsonl.")
    ] = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Reward stored episodes by another preset, at no cost of a model."""
    from sandmle.core.engine import rescore as engine
    from sandmle.core.engine.config import parse_assignments

    summary = engine.rescore(context.obj.override(parse_assignments(assignments or [])), run_dir, reward, out=out)
    _print_json(summary.as_json()) if as_json else typer.echo(summary.as_text())


def grade(
    context: typer.Context,
    task: Annotated[Path, typer.Argument(metavar="TASK", help="Task directory.")],
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The submission file.")],
    as_json: Json = False,
) -> None:
    """Grade one submission: validity, score, medal, HumanRank."""
    import asyncio

    from sandmle.core.engine.grading import grade_file

    verdict = asyncio.run(grade_file(task, submission))
    shown = {
        "valid": verdict.valid,
        "score": verdict.score,
        "medal": verdict.medal.value,
        "above_median": verdict.above_median,
        "human_rank": verdict.human_rank,
        "problem": verdict.problem,
    }
    _print_json(shown) if as_json else typer.echo("\n".join(f"{key}: {value}" for key, value in shown.items()))


@plugins_app.command("list")
def plugins_list(context: typer.Context, as_json: Json = False) -> None:
    """Everything registered: kind, name, source, summary; broken plugins with what is wrong."""
    toolkit: Toolkit = context.obj
    rows = [
        {"kind": one.kind.value, "name": one.spec.name, "source": one.source, "summary": one.spec.summary}
        for one in toolkit.registry
    ]
    broken = [{"name": one.name, "source": one.source, "problem": one.problem} for one in toolkit.plugins.broken]
    if as_json:
        _print_json({"plugins": rows, "broken": broken})
        return
    for row in rows:
        typer.echo(f"{row['kind']:<10} {row['name']:<20} {row['source']:<12} {row['summary']}")


@config_app.command("show")
def config_show(
    context: typer.Context,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value that is not a default comes from.")
    ] = False,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """The resolved configuration: default < file < environment SANDMLE_* < command line."""
    import tomli_w

    from sandmle.core.engine.config import parse_assignments

    resolved = context.obj.override(parse_assignments(assignments or [])).resolved
    if as_json:
        _print_json({"settings": resolved.settings.model_dump(mode="json"), "origin": dict(resolved.origin)})
        return
    # TOML has no word for a key that is left unset.
    typer.echo(tomli_w.dumps(resolved.settings.model_dump(mode="json", exclude_none=True)))
    if origin:
        typer.echo("\n".join(f"# {key}: {where}" for key, where in sorted(resolved.origin.items())))


def main() -> None:
    """Entry point of the `sandmle` program."""
    try:
        strict = "--strict-plugins" in sys.argv[1:] or bool(os.environ.get("SANDMLE_STRICT_PLUGINS"))
        # What a plugin prints while it is loaded must not get into a JSON document.
        with redirect_stdout(sys.stderr):
            app = build_app(open_toolkit(strict_plugins=strict), strict_plugins=strict)
        app(prog_name="sandmle")
    except SandmleError as problem:
        typer.echo(f"error: {problem}", err=True)
        sys.exit(next(code for kind, code in EXIT_CODES if isinstance(problem, kind)))
    except OSError as problem:
        # Such paths may be named anywhere; every other error of the operating system is a defect of ours.
        if problem.errno not in UNUSABLE_PATHS:
            raise
        typer.echo(f"error: cannot use {problem.filename}: {problem.strerror}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        # Before a command runs; commands have their own way to stop.
        sys.exit(130)


def _config_variable() -> Path | None:
    named = os.environ.get("SANDMLE_CONFIG")
    return Path(named) if named else None


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))


if __name__ == "__main__":
    main()
