"""OpenRLHF's single controller, with our samples and experience, and canaries at the start and at every sync.

Training goes on only while conversations grow by concatenation, while every rollout engine gives the log-probs that the
trainer gives for the same answers, and while what is about to be trained is what the policy wrote.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import ray
import torch
from openrlhf.trainer import ppo_trainer
from openrlhf.utils.logging_utils import init_logger
from vllm import SamplingParams

from sandmle.core.contracts.policy import ChatCodec
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import ConfigError
from sandmle.core.types.message import Message
from sandmle.plugins.trainers.canaries.masks import audit_rows
from sandmle.plugins.trainers.canaries.sync import Probe, SyncCanary
from sandmle.plugins.trainers.canaries.templates import check_template
from sandmle.plugins.trainers.local.policies import policy_provider
from sandmle.plugins.trainers.openrlhf.codecs import configuration_file, open_codec
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.engine import EngineModel
from sandmle.plugins.trainers.openrlhf.experience import SegmentExperienceMaker, ranks, trained_rows
from sandmle.plugins.trainers.openrlhf.generator import SegmentSamplesGenerator
from sandmle.plugins.trainers.openrlhf.toy import check_reward

DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16"}
"""OpenRLHF's names and ours."""

log = init_logger(__name__)

StockTrainer: Final = ppo_trainer.PPOTrainer.__ray_metadata__.modified_class
"""The class below Ray's wrapping."""


class SegmentTrainer(StockTrainer):  # type: ignore[misc, valid-type]
    """The controller; wrapped for Ray by `entry`."""

    def __init__(self, pretrain: str, strategy: Any, actor_model_group: Any, *args: Any, **kwargs: Any) -> None:
        """Assemble as stock, with our classes in place of two of OpenRLHF's.

        Raises:
            ConfigError: settings under which log-probs cannot be compared or corrected.
            PluginError: a toy that is trained with these settings does not learn.
        """
        _refuse_settings(strategy.args)
        toolkit = open_toolkit(file=configuration_file())
        prove_reward(toolkit, strategy.args)
        # This is the controller's own process: OpenRLHF finds both classes by their global names.
        ppo_trainer.SamplesGenerator = SegmentSamplesGenerator
        ppo_trainer.RemoteExperienceMaker = SegmentExperienceMaker
        super().__init__(pretrain, strategy, actor_model_group, *args, **kwargs)
        self._codec = open_codec(toolkit, self.tokenizer)
        dtype = DTYPES.get(self.args.ds.param_dtype, "float32")
        self._canaries = [SyncCanary(dtype) for _ in self.vllm_engines]
        self._concatenates = False
        self._worst = 0.0
        self.samples_generator.before_rollouts = self.look
        self.experience_maker.before_update = self.audit

    def look(self) -> None:
        """Compare every engine with the trainer; the engines are awake and nothing is being played.

        The first time, a conversation of three turns is had with one of them, too, as episodes have theirs.

        Raises:
            PluginError: one of them generates with other weights than those that are trained, or a conversation does
                not grow by concatenation.
        """
        if not self._concatenates:
            asyncio.run(check_conversation(self.vllm_engines[0], self._codec, self.args))
            self._concatenates = True
        scorer = ActorScorer(self.actor_model_group, self.args)
        gaps = []
        for number, (canary, engine) in enumerate(zip(self._canaries, self.vllm_engines, strict=True)):
            asked = EngineQuestions(engine, self._codec, temperature=self.args.rollout.temperature)
            report = asyncio.run(canary.look(asked, scorer))
            gaps.append(report.require(f"rollout engine {number}"))
        self._worst = max(gaps, default=0.0)

    def audit(self, batches: Sequence[Any]) -> None:
        """Hold what is about to be trained against what the policy wrote.

        Raises:
            PluginError: something is trained that the policy did not write.
        """
        audit_rows(trained_rows(batches), self.samples_generator.written, self._codec.decode).require()

    def _compute_rollout_stats(self, experiences: Sequence[Any]) -> dict[str, float]:
        figures: dict[str, float] = super()._compute_rollout_stats(experiences)
        ours = {"canary/gap": self._worst, "rollout/log_prob_gap": self.experience_maker.rollout_gap}
        return {**figures, **self.samples_generator.figures, **ours}


def prove_reward(toolkit: Toolkit, args: Any) -> None:
    """Train a toy with the settings of the run, unless `grpo.reward_canary` is off.

    Raises:
        PluginError: its reward does not rise.
    """
    config = OpenRlhfConfig.model_validate(toolkit.settings.options("trainer", "openrlhf"))
    if config.grpo.reward_canary:
        report = check_reward(args, policy_provider(toolkit))
        report.require()
        log.info("reward canary: from %.2f to %.2f on a toy task", report.rewards[0], report.rewards[-1])


class RemoteEngine:
    """One rollout actor, asked from another process."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    async def generate(self, prompt_token_ids: list[int], sampling_params: Any, multi_modal_data: Any = None) -> Any:
        """One completion: vLLM's `RequestOutput`."""
        return await asyncio.to_thread(ray.get, self._engine.generate.remote(prompt_token_ids, sampling_params))


async def check_conversation(engine: Any, codec: ChatCodec, args: Any) -> None:
    """Have a conversation with a rollout actor by the chat model that episodes have theirs by.

    Raises:
        PluginError: it did not grow by concatenation.
        ProviderError: the engine failed.
    """
    shared = SamplingParams(temperature=args.rollout.temperature, top_p=args.rollout.top_p, top_k=-1, logprobs=1)
    model = EngineModel(
        RemoteEngine(engine),
        asyncio.get_running_loop(),
        codec,
        sampling=shared,
        max_tokens=args.data.max_len,
    )
    await check_template(model, codec.decode, args.rollout.temperature)


class EngineQuestions:
    """One rollout actor, asked by the canary as it is by episodes."""

    def __init__(self, engine: Any, codec: ChatCodec, *, temperature: float) -> None:
        self._engine = RemoteEngine(engine)
        self._codec = codec
        self._temperature = temperature

    async def answer(self, question: str, tokens: int, sample_index: int) -> Probe:
        """Sample an answer of at most `tokens` tokens."""
        prompt = list(self._codec.prompt([Message(role="user", content=question)]))
        sampling = SamplingParams(
            temperature=self._temperature,
            max_tokens=tokens,
            min_tokens=0,
            skip_special_tokens=False,
            logprobs=1,
            seed=sample_index,
            stop_token_ids=[self._codec.end_id],
        )
        output = await self._engine.generate(prompt, sampling)
        [completion] = output.outputs
        sampled = tuple(completion.token_ids)
        log_probs = (one[token].logprob for token, one in zip(sampled, completion.logprobs, strict=True))
        return Probe(prompt_ids=tuple(prompt), sampled_ids=sampled, log_probs=tuple(map(float, log_probs)))


class ActorScorer:
    """Log-probs of sampled ids by the policy actors, on the path on which experience is made."""

    def __init__(self, group: Any, args: Any) -> None:
        self._group = group
        self._ranks = ranks(args)
        self._copies = args.ds.ring_attn_size * args.ds.tensor_parallel_size

    def __call__(self, probes: Sequence[Probe]) -> list[list[float]]:
        """One row per probe, one number per sampled id."""
        # Each process takes an equal share, and none may be left without one.
        padded = [*probes, *itertools.islice(itertools.cycle(probes), -len(probes) % self._ranks)]
        sequences = [torch.tensor([[*one.prompt_ids, *one.sampled_ids]]) for one in padded]
        references = self._group.async_run_method_batch(
            method_name="forward",
            sequences=sequences,
            action_mask=[_mask(one) for one in padded],
            attention_mask=[torch.ones_like(one) for one in sequences],
        )
        rows = itertools.chain.from_iterable(ray.get(references)[:: self._copies])
        return list(_sampled(probes, rows))


def _mask(probe: Probe) -> torch.Tensor:
    """[1, tokens - 1]: whether the token after this one was sampled."""
    return torch.tensor([[*[0] * (len(probe.prompt_ids) - 1), *[1] * len(probe.sampled_ids)]])


def _sampled(probes: Sequence[Probe], rows: Iterator[torch.Tensor]) -> Iterator[list[float]]:
    for probe, row in zip(probes, rows, strict=False):
        yield row[0, len(probe.prompt_ids) - 1 :].float().tolist()


def _refuse_settings(args: Any) -> None:
    if args.algo.advantage.is_correction_level == "off" and args.rollout.temperature != 1.0:
        raise ConfigError(
            f"--rollout.temperature {args.rollout.temperature:g} with --algo.advantage.is_correction_level off: the "
            "engines then give the log-probs of another temperature than they sample at, so nothing can be compared; "
            "set the level to token or seq, or the temperature to 1"
        )
    if args.algo.advantage.estimator == "gae" or args.train.partial_rollout_enable:
        raise ConfigError("groups are played whole and compared within: leave out gae and partial rollouts")
