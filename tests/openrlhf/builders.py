"""Small real things that these tests need again and again: models, tokenizers, batches, OpenRLHF's own parts.

Loaded by the fixture `build`, since test files do not import one another.
"""

import os
import random
import runpy
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import ray
import torch
from openrlhf.models import Actor
from openrlhf.trainer.ppo_utils.experience import Experience
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker
from openrlhf.trainer.ppo_utils.kl_controller import FixedKLController
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator
from openrlhf.trainer.ray import ppo_actor
from openrlhf.utils.loss_utils import iter_grad_accum_global_norm
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from sandmle.core.engine.training import LOGGED, TrainingSequence
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.losses import action_log_probs
from sandmle.plugins.trainers.local.optimizing import Optimizer
from sandmle.plugins.trainers.openrlhf.experience import SegmentExperienceMaker
from sandmle.plugins.trainers.openrlhf.samples import TRAINED, VALID, Asked, invalid_response

SPECIAL = ("<|pad|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY = 256 + len(SPECIAL)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def byte_tokenizer(special: Sequence[str] = SPECIAL, end: str = "<|im_end|>", template: str = CHATML) -> Any:
    """One token a byte, and the special ones after them; made here, since nothing can be downloaded."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=special[0], eos_token=end)
    fast.add_special_tokens({"additional_special_tokens": [one for one in special if one not in (special[0], end)]})
    fast.chat_template = template
    return fast


def qwen3(rng_seed: int = 0, **changes: Any) -> Any:
    """A Qwen3 decoder with random weights, large enough for log-probs that differ."""
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "tie_word_embeddings": False,
        "pad_token_id": None,
        **changes,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng_seed)
        return Qwen3ForCausalLM(Qwen3Config(**shape, attn_implementation="sdpa")).eval()


def save_policy(folder: Path, module: Any, tokenizer: Any | None = None) -> Path:
    """A checkpoint directory as Hugging Face writes it."""
    module.save_pretrained(folder)
    (tokenizer or byte_tokenizer()).save_pretrained(folder)
    return folder


def actor(folder: Path, **changes: Any) -> Any:
    """OpenRLHF's own Actor on a checkpoint, computing in float32 so that numbers can be compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Actor(str(folder), attn_implementation="sdpa", **changes)
    return made.float()


def parse_openrlhf(*flags: str) -> Any:
    """What OpenRLHF's own command line makes of these flags, after its own checks; it is stopped before it starts Ray.

    Raises:
        SystemExit: the parser refuses them.
    """

    def stop() -> bool:
        raise _ParsedError(sys._getframe(1).f_locals["args"])

    with patch.object(ray, "is_initialized", stop), patch.object(sys, "argv", ["train_ppo_ray", *flags]):
        try:
            runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
        except _ParsedError as found:
            return found.args[0]
    raise AssertionError("the command line ended without reaching its training function")


class _ParsedError(Exception):
    """Carries the arguments out."""


def settings(*flags: str) -> Any:
    """Arguments of a small run in one process; `flags` come last and win."""
    words = (
        "--actor.model_name_or_path tiny --train.agent_func_path agent.py --data.prompt_dataset none "
        "--actor.num_nodes 1 --actor.num_gpus_per_node 1 --ref.num_nodes 1 --ref.num_gpus_per_node 1 "
        "--vllm.num_engines 1 --vllm.tensor_parallel_size 1 --ds.attn_implementation sdpa --data.max_len 4096 "
        "--rollout.batch_size 1 --rollout.n_samples_per_prompt 4 --rollout.micro_batch_size 2 "
        "--train.batch_size 4 --train.micro_batch_size 2 --algo.kl.init_coef 0 --algo.advantage.estimator group_norm"
    )
    return parse_openrlhf(*words.split(), *flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneProcess:
    """OpenRLHF's DeepspeedStrategy needs CUDA: this is what of it a training step uses, for one process."""

    args: Any
    accumulated_gradient: int = 1
    ring_attn_group: None = None

    def backward(self, loss: torch.Tensor, model: Any, optimizer: Any) -> None:
        # DeepSpeed divides every loss by the number of micro-batches of an optimizer step.
        (loss / self.accumulated_gradient).backward()

    def optimizer_step(self, *given: Any, **named: Any) -> None:
        """Gradients are what is compared; nothing is stepped."""

    def get_grad_norm(self, model: Any) -> float:
        return 0.0


def samples_generator(args: Any, tokenizer: Any) -> Any:
    """OpenRLHF's samples generator, for what it does with an agent's answers."""
    return SamplesGenerator(OneProcess(args=args), None, None, tokenizer, [])


def experience_maker(args: Any, tokenizer: Any) -> Any:
    """OpenRLHF's experience maker, for what it does without its models."""
    return RemoteExperienceMaker(None, None, None, None, FixedKLController(0.0), OneProcess(args=args), tokenizer)


def actor_trainer(args: Any, model: Any, accumulated: int) -> Any:
    """OpenRLHF's actor trainer; its constructor wants CUDA to wait for other processes and for its unused buffer."""
    with (
        patch.object(ppo_actor, "torch_dist_barrier_and_cuda_sync"),
        patch.object(torch.cuda, "current_device", lambda: 0),
    ):
        return ppo_actor.ActorPPOTrainer(
            OneProcess(args=args, accumulated_gradient=accumulated),
            model,
            ema_model=None,
            actor_optim=None,
            actor_scheduler=SimpleNamespace(get_last_lr=lambda: [0.0]),
            vllm_engines=None,
        )


def train_step(args: Any, model: Any, experiences: Sequence[Experience]) -> float:
    """One optimizer step's worth of OpenRLHF's own training steps; gives the loss and leaves the gradients."""
    model.zero_grad()
    trainer = actor_trainer(args, model, len(experiences))
    windows = iter_grad_accum_global_norm(experiences, trainer.strategy, len(experiences), lambda one: one.action_mask)
    loss = 0.0
    for number, (experience, info) in enumerate(windows):
        status = trainer.training_step(experience, args.algo.kl.init_coef, number, info)
        loss += float(status["metrics"]["policy_loss"]) / len(experiences)
        if args.algo.kl.use_loss:
            loss += float(status["metrics"]["kl"]) * args.algo.kl.init_coef / len(experiences)
    return loss


def import_trl() -> ModuleType:
    """TRL with vLLM out of its sight: it would take the stub for the real one and ask it for its version."""
    before = sys.modules.get("vllm")
    sys.modules["vllm"] = None  # type: ignore[assignment]
    try:
        import trl

        # Its modules are imported at the first use of a name.
        assert trl.GRPOTrainer
        assert trl.SFTTrainer
    finally:
        del sys.modules["vllm"]
        if before is not None:
            sys.modules["vllm"] = before
    return trl


def sequence(
    rng: random.Random,
    name: str,
    *,
    prompt: Sequence[int],
    turns: int,
    log_prob: Callable[[], float] | None = None,
    reward: float | None = None,
) -> TrainingSequence:
    """A trajectory of random tokens: turns of 1 to 6 sampled tokens with observations of 1 to 4 between them."""
    tokens, ranges, log_probs = list(prompt), [], [0.0] * len(prompt)
    for turn in range(turns):
        if turn:
            shown = [rng.randrange(VOCABULARY) for _ in range(rng.randint(1, 4))]
            tokens += shown
            log_probs += [0.0] * len(shown)
        sampled = [rng.randrange(VOCABULARY) for _ in range(rng.choice((1, 1, 2, 3, 6)))]
        ranges.append((len(tokens), len(tokens) + len(sampled)))
        tokens += sampled
        log_probs += [log_prob() if log_prob else -rng.random() for _ in sampled]
    return TrainingSequence(
        episode_id=name,
        segment=0,
        observation_tokens=tuple(tokens),
        action_ranges=tuple(ranges),
        rollout_log_probs=tuple(log_probs),
        reward=reward,
        truncated=rng.random() < 0.3,
    )


def around(rng: random.Random, one: TrainingSequence, module: Any, temperature: float = 1.0) -> TrainingSequence:
    """The sequence as if sampled by a policy a little away from `module`: some tokens are past a clip of 0.2."""
    [batch] = micro_batches([Weighted(sequence=one, advantage=0.0)], 1, "cpu")
    with torch.no_grad():
        current, _ = action_log_probs(module, batch, temperature)
    found = [0.0] * len(one.observation_tokens)
    places = [place for start, end in one.action_ranges for place in range(start, end)]
    for place, value in zip(places, current.tolist(), strict=True):
        found[place] = min(value + rng.choice((0.0, rng.uniform(-0.6, 0.6))), -1e-4)
    return replace(one, rollout_log_probs=tuple(found))


class Recording(Optimizer):
    """The optimizer, with an eye on the gradients that it is about to use; it moves no weight."""

    def __init__(self, module: Any, config: GrpoConfig) -> None:
        super().__init__(module, config, 0.0, steps=1)
        self._named = {name: one for name, one in module.named_parameters() if one.requires_grad}
        self.gradients: dict[str, torch.Tensor] = {}

    def update(self, step: int, loss: float, kept: str) -> float:
        self.gradients = {name: one.grad.clone() for name, one in self._named.items()}
        return super().update(step, loss, kept)


def response(one: TrainingSequence, **changes: Any) -> dict[str, Any]:
    """What an agent of OpenRLHF returns for this sequence."""
    return {"prompt": "", "label": "", "images": None, "mm_train_inputs": None, **one.as_dict(), **changes}


def child_environment(**changes: str) -> dict[str, str]:
    """For processes that the tests start."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **changes}


def answer(rng: random.Random, outcome: tuple[float, int] | None) -> dict[str, Any]:
    """What the executor returns for an episode: a reward and a number of segments, or None where it was failed."""
    asked = Asked(prompt="say", label="a")
    if outcome is None:
        return dict(invalid_response(asked, "SandboxError: gone", "run_code"))
    reward, count = outcome
    logs = {**{name: rng.random() for name in LOGGED}, VALID: 1.0, TRAINED: float(count > 0)}
    made = [
        replace(sequence(rng, "a/0", prompt=[1, 2], turns=rng.randint(1, 3), reward=reward), extra_logs=logs)
        for _ in range(count)
    ]
    segments = [one.as_dict() for one in made]
    first = segments[0] if segments else dict(invalid_response(asked, "", "none"))
    echoed = {"prompt": "say", "label": "a", "images": None, "mm_train_inputs": None, "failure": None, "after": "none"}
    written = [
        [{"ids": list(one.observation_tokens[start:end]), "text": ""} for start, end in one.action_ranges]
        for one in made
    ]
    more = {"reward": reward, "scores": reward, "extra_logs": logs, "segments": segments, "written": written}
    return {**first, **echoed, **more}


class Rollouts:
    """Engines that play back groups of answers, and the words of Ray for what they do."""

    def __init__(self, *plays: Sequence[dict[str, Any]]) -> None:
        self.plays = list(plays)
        self.asked: list[str] = []
        self.generate_responses = SimpleNamespace(remote=self._respond)
        self.get_num_unfinished_requests = SimpleNamespace(remote=lambda: 0)

    def _respond(self, **asked: Any) -> "_Reference":
        self.asked.append(asked["label"])
        return _Reference(self.plays.pop(0))


class _Reference:
    def __init__(self, value: Any) -> None:
        self.value = value


def get(found: Any) -> Any:
    """In place of `ray.get`, for what `Rollouts` answers."""
    return [get(one) for one in found] if isinstance(found, list) else getattr(found, "value", found)


def wait(references: list[Any], **how: Any) -> tuple[list[Any], list[Any]]:
    """In place of `ray.wait`."""
    return references[:1], references[1:]


def maker(args: Any, tokenizer: Any) -> SegmentExperienceMaker:
    """Our experience maker, without actors."""
    return SegmentExperienceMaker(None, None, None, None, FixedKLController(0.0), OneProcess(args=args), tokenizer)


def experiences(made: SegmentExperienceMaker, rows: list[Any]) -> list[Any]:
    """As `make_experience_batch` does, without the actors: their log-probs are of no matter here."""
    batches = made.split_rollout_samples(rows)
    for batch in batches:
        batch.kl = torch.zeros_like(batch.action_mask, dtype=torch.float32)
        batch.action_log_probs = batch.rollout_log_probs
        batch.info["kl"] = torch.zeros(len(batch.sequences))
    found: list[Any] = made.compute_advantages_and_returns(batches)
    return found
