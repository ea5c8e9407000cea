"""The configuration as the dotted flags of `openrlhf.cli.train_ppo_ray` 0.11.2. Pure."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.engine.settings import RunSettings
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.placement import Placement

ENTRY: Final = "sandmle.plugins.trainers.openrlhf.entry"
"""Puts our classes in place of OpenRLHF's, then runs its command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Files of one training, all below its output directory, which every node has to see."""

    out: Path

    @property
    def work(self) -> Path:
        """What we write for OpenRLHF."""
        return self.out / "openrlhf"

    @property
    def prompts(self) -> Path:
        return self.work / "prompts.jsonl"

    @property
    def validation(self) -> Path:
        return self.work / "validation.jsonl"

    @property
    def agent(self) -> Path:
        return self.work / "agent.py"

    @property
    def config(self) -> Path:
        return self.work / "config.toml"

    @property
    def runtime(self) -> Path:
        return self.work / "runtime_env.json"

    @property
    def checkpoints(self) -> Path:
        """DeepSpeed's, with the state of the optimizer."""
        return self.out / "checkpoints"

    @property
    def policy(self) -> Path:
        """What is left in the end: weights under Hugging Face names, or the adapter alone."""
        return self.out / "policy"

    @property
    def log(self) -> Path:
        return self.out / "openrlhf.log"


def grpo_flags(config: OpenRlhfConfig, place: Placement, run: RunSettings, paths: Paths) -> list[str]:
    """All flags of a GRPO run, in the order of the parser's sections."""
    validated = config.validation is not None and config.grpo.evaluate_every > 0
    return [
        *_data(config, paths, validated),
        *_gpus(config, place),
        *_training(config, run),
        *_sampling(config, run),
        *_loss(config),
        *(_evaluation(config, run, paths) if validated else []),
    ]


def _data(config: OpenRlhfConfig, paths: Paths, validated: bool) -> list[str]:
    grpo = config.grpo
    return [
        *("--actor.model_name_or_path", str(config.policy)),
        *("--train.agent_func_path", str(paths.agent)),
        *("--data.prompt_dataset", str(paths.prompts)),
        *("--data.input_key", "prompt"),
        *("--data.label_key", "label"),
        *("--data.max_len", str(config.max_tokens)),
        *("--ckpt.output_dir", str(paths.policy)),
        *("--ckpt.path", str(paths.checkpoints)),
        *("--ckpt.save_steps", str(grpo.save_every)),
        *("--ckpt.max_num", str(grpo.keep_checkpoints)),
        "--ckpt.save_hf",
        # Nothing happens where there is no checkpoint yet, so the same command starts and resumes.
        "--ckpt.load_enable",
        *([] if validated else ["--ckpt.best_metric_key", "none"]),
    ]


def _gpus(config: OpenRlhfConfig, place: Placement) -> list[str]:
    engine = config.engine
    sizes = ("--actor", "--ref")
    flags = [
        *(word for model in sizes for word in (f"{model}.num_nodes", str(place.nodes))),
        *(word for model in sizes for word in (f"{model}.num_gpus_per_node", str(place.training_gpus))),
        *("--vllm.num_engines", str(place.engines)),
        *("--vllm.tensor_parallel_size", str(place.tensor_parallel)),
        *("--vllm.gpu_memory_utilization", f"{engine.memory_share:g}"),
        *("--vllm.sync_backend", "nccl"),
        *("--ds.zero_stage", str(engine.zero_stage)),
        *("--ds.param_dtype", engine.dtype),
        *("--ds.attn_implementation", engine.attention),
        *("--ds.ring_attn_size", str(place.sequence_parallel)),
        "--actor.gradient_checkpointing_enable",
    ]
    if engine.colocate:
        # Whoever is not at work gives its memory back.
        flags += ["--train.colocate_all", "--vllm.enable_sleep", "--ds.enable_sleep"]
    flags += ["--vllm.enforce_eager"] if engine.eager else []
    flags += ["--vllm.enable_prefix_caching"] if engine.prefix_caching else []
    flags += ["--ds.adam_offload"] if engine.offload_optimizer else []
    flags += ["--ds.packing_samples"] if engine.packing else []
    if engine.dynamic_batch:
        tokens = engine.batch_tokens or -(-config.max_tokens // place.sequence_parallel)
        flags += ["--train.dynamic_batch_enable"]
        flags += ["--train.max_tokens_per_gpu", str(tokens), "--rollout.max_tokens_per_gpu", str(2 * tokens)]
    return flags


def _training(config: OpenRlhfConfig, run: RunSettings) -> list[str]:
    grpo, lora = config.grpo, config.lora
    flags = [
        *("--train.seed", str(run.rng_seed)),
        *("--train.batch_size", str(grpo.trajectories // grpo.minibatches)),
        *("--train.micro_batch_size", str(grpo.micro_batch)),
        # The prompt file holds the tasks of all steps, so it is read once.
        *("--train.num_episodes", "1"),
        *("--train.max_epochs", str(grpo.epochs)),
        *("--actor.adam.lr", f"{grpo.rate():g}"),
        *("--actor.adam.weight_decay", f"{grpo.weight_decay:g}"),
        *("--actor.max_norm", f"{grpo.grad_clip:g}"),
        *("--actor.lr_scheduler", grpo.scheduler),
        *("--actor.lr_warmup_ratio", f"{grpo.warmup_ratio:g}"),
    ]
    if grpo.adapter:
        flags += ["--ds.lora.rank", str(lora.rank), "--ds.lora.alpha", str(lora.alpha)]
        flags += ["--ds.lora.dropout", f"{lora.dropout:g}", "--ds.lora.target_modules", *lora.targets]
    return flags


def _sampling(config: OpenRlhfConfig, run: RunSettings) -> list[str]:
    grpo = config.grpo
    return [
        *("--rollout.batch_size", str(grpo.tasks_per_step)),
        *("--rollout.n_samples_per_prompt", str(grpo.group_size)),
        *("--rollout.micro_batch_size", str(grpo.micro_batch)),
        *("--rollout.max_new_tokens", str(run.max_tokens)),
        *("--rollout.temperature", f"{run.temperature:g}"),
        *("--rollout.top_p", "1"),
    ]


def _loss(config: OpenRlhfConfig) -> list[str]:
    grpo, correction = config.grpo, config.correction
    flags = [
        *("--algo.advantage.estimator", grpo.estimator.value),
        *("--algo.kl.init_coef", f"{grpo.kl:g}"),
        *("--actor.eps_clip_low_high", f"{grpo.clip_low:g}", f"{grpo.clip_high:g}"),
        *("--actor.loss_agg_mode", grpo.aggregate),
        *("--algo.advantage.is_correction_level", correction.level),
    ]
    if correction.level != "off":
        low, high = correction.threshold
        flags += ["--algo.advantage.is_correction_mode", correction.mode]
        flags += ["--algo.advantage.is_correction_threshold", f"{low:g}", f"{high:g}"]
    if grpo.kl:
        # In the loss, by the estimator that the local trainer uses, too.
        flags += ["--algo.kl.use_loss", "--algo.kl.estimator", "k3"]
    if grpo.filter_range is not None:
        low, high = grpo.filter_range
        flags += ["--algo.dynamic_filtering_enable", "--algo.dynamic_filtering_range", f"{low:g}", f"{high:g}"]
    return flags


def _evaluation(config: OpenRlhfConfig, run: RunSettings, paths: Paths) -> list[str]:
    grpo = config.grpo
    return [
        *("--eval.dataset", str(paths.validation)),
        *("--eval.steps", str(grpo.evaluate_every)),
        *("--eval.n_samples_per_prompt", str(grpo.validation_group_size)),
        *("--eval.temperature", f"{run.temperature:g}"),
    ]


def shell(command: Sequence[str]) -> str:
    """A command for a person to read: a flag with its values per line."""
    words = [shlex.quote(word) for word in command]
    lines: list[str] = []
    for word in words:
        if word.startswith("--") or not lines:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return " \\\n  ".join(lines)
