"""SFT through `openrlhf.cli.train_sft` on the GPUs of one machine: everything that can be said before it is started."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.lessons import Lesson, read_lessons
from sandmle.core.engine.store import EPISODES
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.local.playing import digests, read_tasks
from sandmle.plugins.trainers.models import whole_policy
from sandmle.plugins.trainers.openrlhf.command import Paths
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.constraints import SECTION

LAUNCHER: Final = "deepspeed.launcher.runner"
MODULE: Final = "openrlhf.cli.train_sft"
DATA: Final = "demonstrations.jsonl"
TEMPLATE: Final = "template.jinja"
SAVE_EVERY: Final = 20
"""Steps between checkpoints; as in the released scripts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftPlan:
    """A run that has been thought through."""

    config: OpenRlhfConfig
    paths: Paths
    flags: list[str]
    """After the launcher's own words."""
    files: Mapping[Path, str]
    record: Mapping[str, Any]
    lessons: tuple[Lesson, ...] = ()
    """Of the policy that it starts from, and this one."""
    conversations: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    template: str | None = None
    """Where the proven template is from; None where there was nothing to prove it for."""

    @property
    def window(self) -> int:
        """Micro-batches of one step in each process."""
        return self.config.sft.batch_sequences // _at_once(self.config)

    @property
    def steps(self) -> int:
        """That it will have when complete: OpenRLHF leaves out what fills no whole micro-batch, and no whole step."""
        return self.conversations // _at_once(self.config) * self.config.sft.epochs // self.window

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
    lessons = read_lessons(Path(config.policy).expanduser())
    policy = whole_policy(config.policy)
    config = config.model_copy(update={"policy": policy})
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
    tokenizer = open_tokenizer(policy)
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
        lessons=(*lessons, Lesson(method="sft", scaffolds=tuple(sorted({one.scaffold for one in kept.episodes})))),
        conversations=len(chosen.said),
        left_out={"other_tasks": kept.other_tasks, "not_kept": kept.not_kept, **chosen.left_out},
        template=proven.origin,
    )


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
    at_once = _at_once(config)
    if config.nodes > 1:
        raise ConfigError(f"{SECTION}.nodes = {config.nodes}: SFT runs on the GPUs of one machine; give --nodes 1")
    if config.sft.batch_sequences % at_once:
        raise ConfigError(
            f"{SECTION}.sft.batch_sequences = {config.sft.batch_sequences} cannot be shared evenly by {config.gpus} "
            f"GPUs x sft.micro_batch = {config.sft.micro_batch}; make it a multiple of {at_once}"
        )
    if config.engine.packing and "flash" not in config.engine.attention:
        raise ConfigError(f"{SECTION}.engine.packing needs flash attention; set it to false, or engine.attention")


def _at_once(config: OpenRlhfConfig) -> int:
    """Conversations in one forward pass of all processes."""
    return config.gpus * config.sft.micro_batch


def _check_amount(config: OpenRlhfConfig, conversations: int) -> None:
    if conversations < config.sft.batch_sequences:
        raise ConfigError(
            f"{conversations} conversations are fewer than {SECTION}.sft.batch_sequences = "
            f"{config.sft.batch_sequences}: OpenRLHF's schedule would have 0 steps; collect more, or make it smaller"
        )
