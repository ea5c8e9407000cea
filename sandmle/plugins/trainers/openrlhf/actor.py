"""OpenRLHF's policy actor, which sends the rollout engines what it trains, and takes optimizer steps of any size.

Stock, it sends the parameters of a LoRA model under names that no engine knows, and those of a mixture of experts as
they lie in memory. And it counts on as many sequences a step as it was started for: of more it trains the first, of
fewer none, or it carries a gradient into the next step. Only that is changed; all else is OpenRLHF's own.
"""

from argparse import Namespace
from collections.abc import Sequence
from copy import copy
from typing import Any, Final

import ray
import torch
from openrlhf.trainer.ppo_utils import NaiveReplayBuffer
from openrlhf.trainer.ray import ppo_actor
from openrlhf.trainer.ray.ppo_actor import ActorPPOTrainer
from openrlhf.trainer.ray.utils import get_physical_gpu_id
from openrlhf.utils.distributed_util import torch_dist_barrier_and_cuda_sync

from sandmle.core.errors import ConfigError, PluginError
from sandmle.plugins.trainers.openrlhf.experience import optimizer_steps
from sandmle.plugins.trainers.openrlhf.merging import merged_weights, refuse_unsent

ENGINE_DTYPE: Final = torch.bfloat16
"""Of every engine that OpenRLHF 0.11.2 starts, whatever the trainer computes in."""
ALMOST_NOTHING: Final = 1e-6
"""What a micro-batch in which nothing is trained weighs in logged means: their weights must not sum to 0."""

StockActor: Final = ppo_actor.PolicyModelActor.__ray_metadata__.modified_class
"""The class below Ray's wrapping."""


class SegmentActor(StockActor):  # type: ignore[misc, valid-type]
    """The policy actor; wrapped for Ray by `entry`."""

    def init_model_from_pretrained(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """Load the policy as stock, with our trainer around it.

        Raises:
            ConfigError: weights of this kind cannot be sent.
            PluginError: an adapter would not reach the engines.
        """
        refuse_settings(strategy.args)
        # This is the actor's own process: OpenRLHF finds the class by its global name when it makes the trainer.
        ppo_actor.ActorPPOTrainer = SegmentActorTrainer
        super().init_model_from_pretrained(strategy, *args, **kwargs)
        refuse_unsent(self.actor.model.module)


def refuse_settings(args: Any) -> None:
    """Refuse flags under which what is trained cannot be sent.

    Raises:
        ConfigError: naming the flag.
    """
    if args.ds.load_in_4bit:
        raise ConfigError("--ds.load_in_4bit: the engines hold other base weights than 4-bit training; leave it out")
    if args.vllm.sync_with_ray:
        raise ConfigError("--vllm.sync_with_ray: weights are sent by NCCL or through shared memory; leave it out")
    if args.ds.lora.rank > 0 and args.ds.tensor_parallel_size > 1:
        raise ConfigError("--ds.tensor_parallel_size above 1 splits what a LoRA adapter is merged into; leave it out")


class WholeReplayBuffer(NaiveReplayBuffer):  # type: ignore[misc]
    """Dynamic batches over all sequences it holds, however many."""

    def setup_dynamic_batch(self, strategy: Any) -> None:
        """As stock, told how many sequences there are in place of how many trajectories were asked for."""
        strategy = copy(strategy)
        steps = optimizer_steps(strategy.args)
        processes = torch.distributed.get_world_size(group=strategy.ds_device_mesh["dp"].get_group())
        strategy.args = sized(strategy.args, len(self.items) * processes, steps)
        super().setup_dynamic_batch(strategy)


def sized(args: Any, sequences: int, steps: int) -> Namespace:
    """The settings for a rollout batch of so many sequences and as many optimizer steps."""
    changed = copy(args)
    changed.rollout, changed.train = copy(args.rollout), copy(args.train)
    changed.rollout.batch_size, changed.rollout.n_samples_per_prompt = sequences, 1
    changed.train.batch_size = sequences // steps
    made: Namespace = changed
    return made


class SegmentActorTrainer(ActorPPOTrainer):  # type: ignore[misc]
    """The trainer inside the actor."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.replay_buffer: Any = WholeReplayBuffer(
            self.micro_train_batch_size,
            packing_samples=self.args.ds.packing_samples,
            dynamic_batch=self.args.train.dynamic_batch_enable,
        )

    def ppo_train(self, kl_ctl: float) -> dict[str, Any]:
        """As stock, in as many optimizer steps as were asked for, whatever the number of sequences."""
        if not self.args.train.dynamic_batch_enable:
            window = window_of(len(self.replay_buffer.items), self.micro_train_batch_size, optimizer_steps(self.args))
            set_window(self.actor.model, window)
            self.strategy.accumulated_gradient = window
        figures: dict[str, Any] = super().ppo_train(kl_ctl)
        return figures

    def training_step(self, experience: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As stock; a micro-batch in which nothing is trained has no figures, which stock computes as 0/0."""
        status: dict[str, Any] = super().training_step(experience, *args, **kwargs)
        if not status["num_action_tokens"]:
            status["num_action_tokens"] = status["num_samples"] = ALMOST_NOTHING
            status["metrics"] = {
                name: torch.nan_to_num(value) if isinstance(value, torch.Tensor) else value
                for name, value in status["metrics"].items()
            }
        return status

    def broadcast_to_vllm(self) -> None:
        """Send every weight as a checkpoint would hold it: adapters merged, HF names, the engines' dtype."""
        first = torch.distributed.get_rank() == 0
        stage = self.args.ds.zero_stage
        torch.cuda.empty_cache()
        # Under ZeRO-3 all processes gather together; with shared memory every one hands over its own copy.
        if first or self.use_cuda_ipc or stage == 3:
            send = self._share if self.use_cuda_ipc else self._broadcast
            for name, tensor in merged_weights(self.actor.model.module, dtype=ENGINE_DTYPE, gather=self._gather):
                send(name, tensor, first=first)
        if first and getattr(self.args.vllm, "enable_prefix_caching", False):
            # After the last weight: keys and values of the old ones must not outlive them.
            ray.get([engine.reset_prefix_cache.remote() for engine in self.vllm_engines])
        torch.cuda.empty_cache()
        torch_dist_barrier_and_cuda_sync()

    def _gather(self, parameters: Sequence[torch.Tensor]) -> Any:
        if self.args.ds.tensor_parallel_size > 1:
            module = self.actor.model.module
            return ppo_actor.deepspeed.module_inject.layers.GatherReplacedLayerParams(parameters, module, enabled=True)
        return ppo_actor.deepspeed.zero.GatheredParameters(list(parameters), enabled=self.args.ds.zero_stage == 3)

    def _broadcast(self, name: str, tensor: torch.Tensor, *, first: bool) -> None:
        """From the first process to all workers of all engines."""
        if not first:
            return
        taken = [
            engine.update_weight.remote(name, dtype=tensor.dtype, shape=tensor.shape, empty_cache=False)
            for engine in self.vllm_engines
        ]
        self._model_update_group.broadcast(tensor, src=0, stream=torch.cuda.current_stream())
        ray.get(taken)

    def _share(self, name: str, tensor: torch.Tensor, *, first: bool) -> None:
        """Through memory that engine and trainer share on every GPU."""
        # A view, or a weight itself, would share storage that goes on changing.
        copied = tensor.clone()
        handle = {get_physical_gpu_id(): torch.multiprocessing.reductions.reduce_tensor(copied)}
        everyones: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(everyones, handle)
        if first:
            handles = {gpu: one for each in everyones for gpu, one in each.items()}
            ray.get(
                [
                    engine.update_weight_cuda_ipc.remote(
                        name, dtype=copied.dtype, shape=copied.shape, ipc_handles=handles, empty_cache=False
                    )
                    for engine in self.vllm_engines
                ]
            )
        torch_dist_barrier_and_cuda_sync()


def window_of(sequences: int, micro_batch: int, steps: int) -> int:
    """Micro-batches of one optimizer step in this process.

    Raises:
        PluginError: they do not come out even; `experience.aligned` sees to it that they do.
    """
    if not sequences or sequences % (micro_batch * steps):
        raise PluginError(
            f"{sequences} sequences in this process do not come out even in {steps} optimizer steps of micro-batches "
            f"of {micro_batch}: the experience maker of this trainer makes the number even, so another one was used"
        )
    return sequences // (micro_batch * steps)


def set_window(engine: Any, window: int) -> None:
    """Have a DeepSpeed engine step after so many micro-batches, counted from now."""
    engine.set_train_batch_size(window * engine.train_micro_batch_size_per_gpu() * engine.dp_world_size)
    # DeepSpeed steps where the number of all micro-batches so far is a multiple of the window.
    engine.micro_steps = 0
    if hasattr(engine.optimizer, "gradient_accumulation_steps"):
        engine.optimizer.gradient_accumulation_steps = window
