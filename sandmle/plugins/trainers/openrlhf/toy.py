"""The reward canary of an OpenRLHF run: its own parts, as they are set, on a policy of thirty thousand parameters.

What decides which way a policy moves is real: the rows of a group, the experience maker's advantages, OpenRLHF's Actor,
loss and training step, and merged weights under the names by which an engine takes them. Left out is what needs GPUs
and other processes: vLLM, DeepSpeed and Ray. It takes seconds of the controller's processor.
"""

import tempfile
import warnings
from argparse import Namespace
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import torch
from openrlhf.models import Actor
from openrlhf.trainer.ppo_utils.kl_controller import FixedKLController
from openrlhf.trainer.ray import ppo_actor
from openrlhf.utils.loss_utils import iter_grad_accum_global_norm
from transformers import AutoConfig, AutoModelForCausalLM

from sandmle.core.contracts.policy import CodecProvider, PolicyProvider
from sandmle.core.engine.training import LOGGED, SegmentDict
from sandmle.core.errors import PluginError
from sandmle.core.types.message import Message
from sandmle.plugins.trainers.canaries.toy import (
    GROUP_SIZE,
    QUESTION,
    RATE,
    SHAPE,
    STEPS,
    TOKENS,
    ToyReport,
    judge_rewards,
)
from sandmle.plugins.trainers.openrlhf.actor import SegmentActorTrainer
from sandmle.plugins.trainers.openrlhf.config import LoraSection
from sandmle.plugins.trainers.openrlhf.experience import SegmentExperienceMaker
from sandmle.plugins.trainers.openrlhf.generator import SegmentSamplesGenerator
from sandmle.plugins.trainers.openrlhf.merging import merged_weights
from sandmle.plugins.trainers.openrlhf.samples import TRAINED, VALID, Asked, Response, response_with

RANK: Final = 8
"""Of the adapter, where the run trains one."""
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


def check_reward(args: Any, provider: PolicyProvider) -> ToyReport:
    """Train a policy made on the spot for a few steps; look at its reward.

    Args:
        args: of OpenRLHF, as the run has them; they are not changed.
        provider: makes the policy.

    Raises:
        PluginError: the provider cannot, or the parts do not fit together.
    """
    if not isinstance(provider, CodecProvider):
        raise PluginError("reward canary: the llm provider of local policies opens no codecs")
    with tempfile.TemporaryDirectory(prefix="sandmle-canary-") as folder:
        path = Path(folder)
        provider.create_policy([QUESTION], SHAPE, 0, path)
        prompt = provider.open_codec(f"local/{path}").prompt([Message(role="user", content=QUESTION)])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            toy = _Toy(_small(args), path, prompt)
            return judge_rewards([toy.step() for _ in range(STEPS)])


class _Toy:
    """One group a step, played, made experience of, trained on and sent."""

    def __init__(self, args: Any, folder: Path, prompt: tuple[int, ...]) -> None:
        self._prompt = prompt
        self._temperature = args.rollout.temperature
        self._actor = _actor(args, folder)
        self._engine = _Engine(folder)
        self._strategy = _OneProcess(args=args)
        tokenizer = Namespace(pad_token_id=0)
        self._generator = SegmentSamplesGenerator(self._strategy, None, None, tokenizer, [])
        self._maker = SegmentExperienceMaker(None, None, None, None, FixedKLController(0.0), self._strategy, tokenizer)
        self._trainer = _ToyTrainer(self._strategy, self._actor)

    def step(self) -> float:
        """The mean reward of what was played."""
        self._engine.take(merged_weights(self._actor.model))
        played = [self._response(*one) for one in self._engine.sample(self._prompt, self._temperature)]
        rows = self._generator.rows_of_played(played, max_len=SHAPE.context_tokens)
        if rows:
            self._train(self._maker.split_rollout_samples(rows))
        return fmean(one["reward"] for one in played if one["reward"] is not None)

    def _train(self, batches: list[Any]) -> None:
        for batch in batches:
            with torch.no_grad():
                batch.action_log_probs = self._actor(
                    batch.sequences, batch.action_mask, attention_mask=batch.attention_mask
                )
            batch.kl = torch.zeros_like(batch.action_log_probs)
            batch.info["kl"] = torch.zeros(len(batch.sequences))
        batches = self._maker.compute_advantages_and_returns(batches)
        windows = iter_grad_accum_global_norm(batches, self._strategy, len(batches), lambda one: one.action_mask)
        for number, (batch, info) in enumerate(windows):
            self._trainer.training_step(batch, 0.0, number, info)

    def _response(self, sampled: Sequence[int], log_probs: Sequence[float]) -> Response:
        start, reward = len(self._prompt), fmean(token % 2 == 0 for token in sampled)
        logs = {**dict.fromkeys(LOGGED, 0.0), VALID: 1.0, TRAINED: 1.0}
        segment = SegmentDict(
            observation_tokens=[*self._prompt, *sampled],
            action_ranges=[(start, start + len(sampled))],
            rollout_log_probs=[*[0.0] * start, *log_probs],
            reward=reward,
            scores=reward,
            truncated=False,
            extra_logs=logs,
        )
        return response_with(Asked(prompt="", label="canary"), [segment], logs, reward=reward)


class _Engine:
    """A model of its own, which takes weights by name and knows nothing else of the actor."""

    def __init__(self, folder: Path) -> None:
        config = AutoConfig.from_pretrained(folder)
        config.tie_word_embeddings = False
        self._module = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()

    def take(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Load them.

        Raises:
            PluginError: a name is none of the model's.
        """
        own = dict(self._module.named_parameters())
        sent = dict(weights)
        sent.setdefault(HEAD, sent[EMBEDDING])
        if strange := sorted(sent.keys() - own.keys()):
            raise PluginError(f"reward canary: the engine knows no weights of the name {strange[0]}")
        for name, tensor in sent.items():
            own[name].data.copy_(tensor)

    def sample(self, prompt: Sequence[int], temperature: float) -> list[tuple[list[int], list[float]]]:
        """As many answers as a group has, each with its log-probs."""
        ids = torch.tensor([prompt] * GROUP_SIZE)
        log_probs = torch.zeros(GROUP_SIZE, 0)
        for _ in range(TOKENS):
            with torch.no_grad():
                logits = self._module(input_ids=ids).logits[:, -1].float()
            scores = torch.log_softmax(logits / temperature, dim=-1)
            drawn = torch.multinomial(scores.exp(), 1)
            ids = torch.cat((ids, drawn), dim=1)
            log_probs = torch.cat((log_probs, scores.gather(1, drawn)), dim=1)
        return list(zip(ids[:, len(prompt) :].tolist(), log_probs.tolist(), strict=True))


@dataclass(slots=True, kw_only=True)
class _OneProcess:
    """What a training step uses of OpenRLHF's strategy, for one process without DeepSpeed."""

    args: Any
    ring_attn_group: None = None

    def backward(self, loss: torch.Tensor, model: Any, optimizer: Any) -> None:
        """There is one micro-batch a step, so nothing is accumulated."""
        loss.backward()

    def optimizer_step(self, optimizer: Any, model: Any, scheduler: Any, **named: Any) -> None:
        """Take the gradient."""
        torch.nn.utils.clip_grad_norm_(list(model.parameters()), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    def get_grad_norm(self, model: Any) -> float:
        """Nobody logs it."""
        return 0.0


class _ToyTrainer(SegmentActorTrainer):
    """The trainer inside an actor, whose own constructor wants CUDA and other processes."""

    def __init__(self, strategy: _OneProcess, actor: Any) -> None:
        args = strategy.args
        advantage = args.algo.advantage
        self.strategy, self.args, self.actor = strategy, args, actor
        self.actor_optim = torch.optim.AdamW([one for one in actor.parameters() if one.requires_grad], lr=RATE)
        self.actor_scheduler = Namespace(get_last_lr=lambda: [RATE])
        self.ema_model, self.replay_buffer, self.aux_loss = None, None, False
        self.actor_loss_fn = ppo_actor.PolicyLoss(
            clip_eps_low=args.actor.eps_clip_low_high[0],
            clip_eps_high=args.actor.eps_clip_low_high[1],
            dual_clip=args.actor.dual_clip,
            token_level_loss=args.actor.loss_agg_mode == "token-mean",
            policy_loss_type=args.actor.policy_loss_type,
            is_correction_level=advantage.is_correction_level,
            is_correction_mode=advantage.is_correction_mode,
            is_correction_gating=advantage.is_correction_gating,
            is_correction_threshold=advantage.is_correction_threshold,
        )


def _actor(args: Any, folder: Path) -> Any:
    # So small a policy says nothing else under a frozen head, so that the adapter stands on it, too.
    targets = [*LoraSection().targets, "lm_head"]
    adapter = {"lora_rank": RANK, "lora_alpha": 2 * RANK, "target_modules": targets}
    with warnings.catch_warnings():
        # An adapter may stand on a head that is tied to the embedding.
        warnings.simplefilter("ignore")
        made = Actor(
            str(folder),
            attn_implementation="sdpa",
            temperature=args.rollout.temperature,
            **(adapter if args.ds.lora.rank else {}),
        )
    return made.float()


def _small(args: Any) -> Any:
    """The run's settings, but for the size of things."""
    small = deepcopy(args)
    small.rollout.batch_size, small.rollout.n_samples_per_prompt = 1, GROUP_SIZE
    small.rollout.micro_batch_size = small.train.micro_batch_size = small.train.batch_size = GROUP_SIZE
    small.actor.num_nodes = small.actor.num_gpus_per_node = 1
    small.ds.ring_attn_size = small.ds.tensor_parallel_size = 1
    small.ds.packing_samples = small.train.dynamic_batch_enable = small.algo.dynamic_filtering_enable = False
    small.algo.kl.init_coef, small.algo.kl.use_loss = 0.0, False
    return small
