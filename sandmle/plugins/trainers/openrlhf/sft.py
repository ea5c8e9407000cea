"""SFT through `openrlhf.cli.train_sft` on the GPUs of one machine: check, write, start, watch, stop, resume."""

import asyncio
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.lessons import Lesson, read_lessons, write_lessons
from sandmle.core.engine.store import EPISODES
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, ProviderError, RunError
from sandmle.plugins.trainers.holding import held
from sandmle.plugins.trainers.local.playing import digests, read_tasks
from sandmle.plugins.trainers.openrlhf.command import Paths
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.constraints import SECTION
from sandmle.plugins.trainers.openrlhf.files import write_files
from sandmle.plugins.trainers.openrlhf.launch import FINISHED, stop_when_drained
from sandmle.plugins.trainers.openrlhf.placement import place
from sandmle.plugins.trainers.openrlhf.preflight import check_gpus, check_packages
from sandmle.plugins.trainers.openrlhf.process import open_driver

Tell = Callable[[str], None]

LAUNCHER: Final = "deepspeed.launcher.runner"
MODULE: Final = "openrlhf.cli.train_sft"
DATA: Final = "demonstrations.jsonl"
TEMPLATE: Final = "template.jinja"
SAVE_EVERY: Final = 20
"""Steps between checkpoints; as in the released scripts."""
_LOSS: Final = re.compile(r"Train step of epoch (\d+):.*?(\d+)/\d+ \[.*?gpt_loss=([\w.+-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SftPlan:
    """A run that has been thought through."""

    config: OpenRlhfConfig
    paths: Paths
    flags: list[str]
    """After the launcher's own words."""
    files: Mapping[Path, str]
    record: Mapping[str, Any]
    scaffolds: tuple[str, ...] = ()
    conversations: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    template: str | None = None
    """Where the proven template is from; None where there was nothing to prove it for."""

    @property
    def command(self) -> list[str]:
        """Without the interpreter."""
        return ["-m", LAUNCHER, "--num_gpus", str(self.config.gpus), "--module", MODULE, *self.flags]


def plan_sft(
    toolkit: Toolkit, config: OpenRlhfConfig, *, demos: Sequence[Path], tasks: Path | None, out: Path
) -> SftPlan:
    """Check the configuration, read the demonstrations, prove the template.

    Without demonstrations, as in a dry run, only the command is put together.

    Raises:
        UsageError: something cannot be used, or no mask can be proven.
    """
    if config.policy is None:
        raise ConfigError(
            "name the model to start from: --policy NAME or FOLDER, or a --recipe (`sandmle train recipes`)"
        )
    _check(config)
    paths = Paths(out=out.expanduser().resolve())
    if not demos or tasks is None:
        return SftPlan(config=config, paths=paths, flags=_flags(toolkit, config, paths, None), files={}, record={})
    # Heavy imports are for those who have something to train on.
    from sandmle.plugins.trainers.local.demonstrations import read_demonstrations  # noqa: PLC0415
    from sandmle.plugins.trainers.openrlhf.sft_data import (  # noqa: PLC0415
        choose_template,
        conversations_of,
        dataset_lines,
        fitting,
        open_tokenizer,
    )

    training = read_tasks(tasks)
    kept = read_demonstrations(demos, [task.spec.task_id for task in training], config.sft.keep)
    found = conversations_of(kept.episodes)
    tokenizer = open_tokenizer(config.policy)
    proven = choose_template(tokenizer, config.sft.template)
    chosen = fitting(tokenizer, proven, found, config.sft.max_tokens)
    _check_amount(config, len(chosen.said))
    sections = config.model_dump(mode="json", exclude_none=True, include={"policy", "gpus", "sft", "lora", "engine"})
    record = {
        "method": "sft",
        "trainer": "openrlhf",
        "rng_seed": toolkit.settings.run.rng_seed,
        "openrlhf": sections,
        "template": hashlib.sha256(proven.jinja.encode()).hexdigest(),
        "tasks": digests(training),
        "demos": {str(n): hashlib.sha256((run / EPISODES).read_bytes()).hexdigest() for n, run in enumerate(demos)},
    }
    return SftPlan(
        config=config,
        paths=paths,
        flags=_flags(toolkit, config, paths, proven.jinja),
        files={paths.work / DATA: dataset_lines(chosen.said), paths.work / TEMPLATE: proven.jinja},
        record=record,
        scaffolds=tuple(sorted({one.scaffold for one in kept.episodes})),
        conversations=len(chosen.said),
        left_out={"other_tasks": kept.other_tasks, "not_kept": kept.not_kept, **chosen.left_out},
        template=proven.origin,
    )


async def run_openrlhf_sft(plan: SftPlan, *, drain: asyncio.Event, tell: Tell) -> dict[str, Any]:
    """Imitate; the same plan goes on from the last checkpoint. Gives the summary.

    Raises:
        UsageError: GPUs or directory cannot be used, or the loss is no finite number.
        PluginError: a package is missing.
        InfrastructureError: OpenRLHF failed, or something could not be written.
    """
    check_packages(plan.config, place(plan.config, None))
    check_gpus(plan.config)
    out = plan.paths.out
    losses: list[dict[str, Any]] = []
    with held(out, plan.record):
        if not (out / FINISHED).is_file():
            lesson = Lesson(method="sft", scaffolds=plan.scaffolds)
            write_lessons(out, (*read_lessons(Path(str(plan.config.policy))), lesson))
            write_files(plan.files)
            await _watch(plan, drain, tell, losses)
    complete = (out / FINISHED).is_file()
    return {
        "out": str(out),
        "complete": complete,
        "policy": str(plan.paths.policy) if complete else None,
        "demonstrations": plan.conversations,
        "left_out": dict(plan.left_out),
        "metrics": losses,
    }


async def _watch(plan: SftPlan, drain: asyncio.Event, tell: Tell, losses: list[dict[str, Any]]) -> None:
    paths = plan.paths
    tell(f"starting OpenRLHF's SFT; its log is {paths.log}")
    async with open_driver([sys.executable, *plan.command], os.environ, paths.log) as driver:
        waiting = asyncio.create_task(stop_when_drained(driver, drain, lambda: _newest(paths), SAVE_EVERY, tell))
        try:
            async for line in driver.lines():
                found = _LOSS.search(line)
                if found:
                    epoch, step, loss = int(found[1]), int(found[2]), found[3]
                    losses.append({"epoch": epoch, "step": step, "loss": loss})
                    tell(f"epoch {epoch}, pass {step}: loss {loss}")
                    if loss.lower() in ("nan", "inf", "-inf"):
                        raise RunError(
                            f"epoch {epoch}, pass {step}: the loss is {loss}; training has been stopped. Start in "
                            "another directory with a lower learning rate"
                        )
            status = await driver.wait()
        finally:
            waiting.cancel()
            [stopped] = await asyncio.gather(waiting, return_exceptions=True)
    if stopped is True:
        tell("stopped; the same command goes on from the last checkpoint")
    elif status != 0:
        raise ProviderError(f"OpenRLHF ended with status {status}. The end of {paths.log}:\n" + "\n".join(driver.tail))
    else:
        write_files({paths.out / FINISHED: json.dumps({"policy": str(paths.policy)}) + "\n"})


def _newest(paths: Paths) -> int | None:
    try:
        number = (paths.checkpoints / "latest").read_text("utf-8").strip().removeprefix("global_step")
    except OSError:
        return None
    return int(number) if number.isdigit() else None


def _flags(toolkit: Toolkit, config: OpenRlhfConfig, paths: Paths, template: str | None) -> list[str]:
    sft, engine, lora = config.sft, config.engine, config.lora
    flags = [
        *("--model.model_name_or_path", str(config.policy)),
        "--model.gradient_checkpointing_enable",
        *("--data.dataset", str(paths.work / DATA)),
        *("--data.input_key", "messages"),
        "--data.multiturn",
        "--data.apply_chat_template",
        *("--data.tokenizer_chat_template", template or f"(the proven template: {paths.work / TEMPLATE})"),
        *("--data.max_len", str(sft.max_tokens)),
        *("--train.batch_size", str(sft.batch_sequences)),
        *("--train.micro_batch_size", str(sft.micro_batch)),
        *("--train.max_epochs", str(sft.epochs)),
        *("--train.seed", str(toolkit.settings.run.rng_seed)),
        *("--adam.lr", f"{sft.learning_rate:g}"),
        *("--ds.zero_stage", str(engine.zero_stage)),
        *("--ds.param_dtype", engine.dtype),
        *("--ds.attn_implementation", engine.attention),
        *("--ckpt.output_dir", str(paths.policy)),
        *("--ckpt.path", str(paths.checkpoints)),
        *("--ckpt.save_steps", str(SAVE_EVERY)),
        "--ckpt.load_enable",
    ]
    flags += ["--ds.packing_samples"] if engine.packing else []
    flags += ["--ds.adam_offload"] if engine.offload_optimizer else []
    if sft.adapter:
        flags += ["--ds.lora.rank", str(lora.rank), "--ds.lora.alpha", str(lora.alpha)]
        flags += ["--ds.lora.dropout", f"{lora.dropout:g}", "--ds.lora.target_modules", *lora.targets]
    return flags


def _check(config: OpenRlhfConfig) -> None:
    at_once = config.gpus * config.sft.micro_batch
    if config.nodes > 1:
        raise ConfigError(f"{SECTION}.nodes = {config.nodes}: SFT runs on the GPUs of one machine; give --nodes 1")
    if config.sft.batch_sequences % at_once:
        raise ConfigError(
            f"{SECTION}.sft.batch_sequences = {config.sft.batch_sequences} cannot be shared evenly by {config.gpus} "
            f"GPUs x sft.micro_batch = {config.sft.micro_batch}; make it a multiple of {at_once}"
        )
    if config.engine.packing and "flash" not in config.engine.attention:
        raise ConfigError(f"{SECTION}.engine.packing needs flash attention; set it to false, or engine.attention")


def _check_amount(config: OpenRlhfConfig, conversations: int) -> None:
    if conversations < config.sft.batch_sequences:
        raise ConfigError(
            f"{conversations} conversations are fewer than {SECTION}.sft.batch_sequences = "
            f"{config.sft.batch_sequences}: OpenRLHF's schedule would have 0 steps; collect more, or make it smaller"
        )
