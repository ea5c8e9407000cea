"""What OpenRLHF, DeepSpeed, vLLM and Ray demand of a configuration, checked before anything is started. Pure.

OpenRLHF asserts some of it minutes into the start, in other words than the user's; some hangs, some is silent.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from sandmle.core.engine.settings import RunSettings
from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.models import ModelFacts
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.placement import Placement, memory_need, weights_gb

SCHEDULERS: Final = (
    *("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"),
    *("inverse_sqrt", "cosine_with_min_lr", "cosine_warmup_with_min_lr"),
)
"""Schedules of transformers that need no arguments but those OpenRLHF gives."""
REWARD_CLIP: Final = 10.0
"""OpenRLHF clips rewards to this size."""
MOST_SEED: Final = 2**31
"""vLLM adds the engine's number to the seed and numpy takes 32 bits."""
SECTION: Final = "plugin.trainer.openrlhf"


def check(
    config: OpenRlhfConfig,
    place: Placement,
    facts: ModelFacts | None,
    run: RunSettings,
    weights: Mapping[str, float],
) -> None:
    """Refuse what cannot work, all of it at once.

    Args:
        config: the trainer's section.
        place: who gets which GPUs.
        facts: of the policy; None leaves out what depends on them.
        run: the settings that episodes are played with.
        weights: of the reward preset's milestones.

    Raises:
        ConfigError: one line per problem, each with what to change.
    """
    found = [*_gpus(config, place, facts), *_batches(config, place), *_attention(config, place)]
    found += [*_method(config, weights), *_sampling(config, run), *_lengths(config, facts, run)]
    if found:
        raise ConfigError("this cannot be trained:\n" + "\n".join(f"  - {one}" for one in found))


def warnings(config: OpenRlhfConfig, place: Placement, facts: ModelFacts | None) -> list[str]:
    """What will probably not work, or not as one thinks."""
    found = []
    if facts is None:
        found.append(
            f"the size of {config.policy!r} is not known here, so neither memory nor heads are checked; GPUs are "
            "shared out as for a small model"
        )
    else:
        found += _memory(config, place, facts)
    if config.grpo.adapter and config.correction.level == "off":
        found.append(
            "correction.level is off: bf16 rounds small adapters away when they are merged for vLLM, and nothing then "
            "makes up for the difference"
        )
    if config.grpo.filter_range is not None:
        found.append(
            "grpo.filter_range replaces groups by further ones of the same prompts, so that there are fewer than "
            f"{config.grpo.steps} steps"
        )
    return found


def _gpus(config: OpenRlhfConfig, place: Placement, facts: ModelFacts | None) -> Iterator[str]:
    engine = config.engine
    generating = config.gpus if engine.colocate else config.gpus // 2
    if not generating:
        yield (
            f"{SECTION}.engine.colocate is off and a node has one GPU: vLLM and DeepSpeed need one each; "
            "turn it on, or give --gpus 2 or more"
        )
    elif generating % place.tensor_parallel:
        how = "all" if engine.colocate else "half"
        yield (
            f"{SECTION}.engine.tensor_parallel = {place.tensor_parallel} does not divide the {generating} GPUs of a "
            f"node on which vLLM runs ({how} of {config.gpus}): engines x GPUs of one must be the GPUs there are"
        )
    if place.training_gpus % place.sequence_parallel:
        yield (
            f"{SECTION}.engine.sequence_parallel = {place.sequence_parallel} does not divide the "
            f"{place.training_gpus} GPUs of a node that train"
        )
    if facts is not None and config.grpo.adapter and facts.tied and "lm_head" in config.lora.targets:
        yield (
            f"{SECTION}.lora.targets has lm_head, and the head of {facts.name} is its embedding: vLLM loads no head "
            "then, so that adapter would never be heard; leave it out"
        )
    if facts is not None and facts.heads % place.tensor_parallel:
        yield (
            f"{SECTION}.engine.tensor_parallel = {place.tensor_parallel} does not divide the {facts.heads} attention "
            f"heads of {facts.name}"
        )
    if engine.dtype != "bf16":
        yield f'{SECTION}.engine.dtype = "{engine.dtype}": OpenRLHF runs vLLM in bf16 only; set it to "bf16"'


def _batches(config: OpenRlhfConfig, place: Placement) -> Iterator[str]:
    grpo = config.grpo
    many = f"{grpo.trajectories} trajectories of a step (grpo.tasks_per_step x grpo.group_size)"
    if grpo.trajectories % grpo.minibatches:
        yield f"{SECTION}.grpo.minibatches = {grpo.minibatches} does not divide the {many}"
        return
    if place.training_gpus % place.sequence_parallel:
        return
    passes = place.ranks * grpo.micro_batch
    per_update = grpo.trajectories // grpo.minibatches
    shape = f"{place.ranks} training processes x grpo.micro_batch = {grpo.micro_batch}"
    if grpo.trajectories < passes:
        yield f"the {many} are fewer than {shape} take at once: {passes}; take more of them or fewer GPUs"
    elif per_update % passes:
        yield (
            f"the {per_update} trajectories of one update cannot be shared evenly by {shape}: make "
            f"grpo.tasks_per_step x grpo.group_size / grpo.minibatches a multiple of {passes}"
        )


def _attention(config: OpenRlhfConfig, place: Placement) -> Iterator[str]:
    engine = config.engine
    flash = "flash_attention" in engine.attention or "flash-attn" in engine.attention
    if engine.packing and not flash:
        yield (
            f'{SECTION}.engine.packing needs flash attention, and engine.attention is "{engine.attention}", which '
            'OpenRLHF would silently replace; set packing to false, or attention to "flash_attention_2"'
        )
    if engine.dynamic_batch and not engine.packing:
        yield f"{SECTION}.engine.dynamic_batch forces packing; set engine.packing to true, or dynamic_batch to false"
    if place.sequence_parallel > 1 and not engine.packing:
        yield f"{SECTION}.engine.sequence_parallel above 1 forces packing; set engine.packing to true, or 1"
    tokens = engine.batch_tokens
    if engine.dynamic_batch and tokens is not None and tokens * place.sequence_parallel < config.max_tokens:
        yield (
            f"{SECTION}.engine.batch_tokens = {tokens} is below the {config.max_tokens} tokens of one trajectory; "
            "raise it, or shorten trajectories"
        )


def _method(config: OpenRlhfConfig, weights: Mapping[str, float]) -> Iterator[str]:
    grpo, correction = config.grpo, config.correction
    if correction.threshold[0] >= correction.threshold[1]:
        yield f"{SECTION}.correction.threshold = {list(correction.threshold)}: the first must be below the second"
    if correction.level == "seq" and correction.mode == "clip":
        yield f'{SECTION}.correction.level = "seq" rejects whole sequences; set correction.mode to "mask"'
    if grpo.filter_range is not None and grpo.filter_range[0] >= grpo.filter_range[1]:
        yield f"{SECTION}.grpo.filter_range = {list(grpo.filter_range)}: the first must be below the second"
    if grpo.scheduler not in SCHEDULERS:
        close = get_close_matches(grpo.scheduler, SCHEDULERS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(SCHEDULERS)}"
        yield f"{SECTION}.grpo.scheduler = {grpo.scheduler!r} is no schedule that OpenRLHF can be given; {hint}"
    if grpo.adapter and not config.lora.targets:
        yield f"{SECTION}.lora.targets is empty: an adapter needs modules to sit on"
    most = sum(abs(weight) for weight in weights.values())
    if most > REWARD_CLIP:
        yield (
            f"the weights of the reward preset come to {most:g}, and OpenRLHF clips rewards to {REWARD_CLIP:g}; "
            "scale them down"
        )


def _sampling(config: OpenRlhfConfig, run: RunSettings) -> Iterator[str]:
    if run.temperature <= 0:
        yield "run.temperature = 0 gives a group one trajectory many times, and OpenRLHF divides by it; set it to 1"
    elif config.correction.level == "off" and run.temperature != 1:
        yield (
            f"run.temperature = {run.temperature:g} with {SECTION}.correction.level off: vLLM then gives the log-probs "
            "of another temperature than it samples at; set the level to token or seq, or the temperature to 1"
        )
    if not 0 <= run.rng_seed < MOST_SEED:
        yield f"run.rng_seed = {run.rng_seed}: OpenRLHF takes seeds from 0 to {MOST_SEED - 1}"


def _lengths(config: OpenRlhfConfig, facts: ModelFacts | None, run: RunSettings) -> Iterator[str]:
    if run.max_tokens > config.response_tokens:
        yield (
            f"run.max_tokens = {run.max_tokens} tokens of one reply are more than {SECTION}.response_tokens = "
            f"{config.response_tokens} of a whole trajectory"
        )
    if facts is not None and config.max_tokens > facts.context_tokens:
        yield (
            f"{SECTION}.prompt_tokens + response_tokens = {config.max_tokens} are more than the "
            f"{facts.context_tokens} tokens that {facts.name} reads"
        )


def _memory(config: OpenRlhfConfig, place: Placement, facts: ModelFacts) -> Iterator[str]:
    need, has = memory_need(config, place, facts), config.gpu_memory_gb
    engine_weights = weights_gb(place, facts)
    if engine_weights > has * config.engine.memory_share:
        yield (
            f"vLLM's weights take about {engine_weights:.0f} GB of a GPU, and engine.memory_share leaves it "
            f"{has * config.engine.memory_share:.0f} GB of {has:g}: more GPUs, or a larger share"
        )
    for when, gb in (("training", need.training_gb), ("generating", need.generating_gb)):
        if gb > has:
            yield (
                f"{when} needs about {gb:.0f} GB of a GPU that has {has:g} (plugin.trainer.openrlhf.gpu_memory_gb): "
                "more GPUs, engine.offload_optimizer, engine.zero_stage = 3, a LoRA adapter, or shorter trajectories "
                "(response_tokens)"
            )
