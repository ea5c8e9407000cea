"""Mask and template audit inside of an OpenRLHF run, each with the thing that it guards really broken."""

import asyncio
import random
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import ray
import torch
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator

from sandmle.core.errors import PluginError
from sandmle.core.types.message import Message
from sandmle.plugins.llms.local.codec import Codec
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider
from sandmle.plugins.trainers.openrlhf.controller import SegmentTrainer, check_conversation


@pytest.fixture
def codec(build, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    return LocalProvider(LocalConfig(chat_format="chatml")).open_codec(f"local/{tmp_path}")


class Step:
    """The controller's part of a step, from what executors answered to what policy actors are handed."""

    def __init__(self, build, generator, tokenizer, codec, answers) -> None:
        args = build.settings()
        generated, _ = generator(args, ["a"], answers)
        self._maker = build.maker(args, tokenizer)
        self._generated = generated
        controller = SegmentTrainer.__new__(SegmentTrainer)
        controller.samples_generator, controller._codec = generated, codec
        self._maker.before_update = controller.audit

    def run(self) -> int:
        rows, *_ = self._generated.generate_samples(max_len=4096)

        def forward(made, batches):
            for batch in batches:
                batch.kl = torch.zeros_like(batch.action_mask, dtype=torch.float32)
                batch.action_log_probs = batch.rollout_log_probs
                batch.info |= {name: torch.zeros(len(batch.sequences)) for name in ("kl", "logprobs_diff")}
            return batches

        # The forward passes of policy actors, which know nothing of masks.
        with patch.object(RemoteExperienceMaker, "make_experience", forward):
            batches = self._maker.make_experience_batch(rows)
        return sum(int(one.action_mask.sum()) for one in batches)


@pytest.fixture
def step(build, generator, tokenizer, codec):
    """A group of four: two segments, one, one that the infrastructure failed, one of which nothing is trained."""
    rng = random.Random(3)
    answers = [build.answer(rng, one) for one in ((0.1, 2), (0.5, 1), None, (1.0, 0))]
    for one in answers:
        for turns in one["written"]:
            for turn in turns:
                turn["text"] = codec.decode(turn["ids"])
    return Step(build, generator, tokenizer, codec, answers), answers


def test_what_the_policy_wrote_is_trained_and_the_audit_is_content(step):
    ready, answers = step
    assert ready.run() == sum(len(turn["ids"]) for one in answers for turns in one["written"] for turn in turns) > 5


@pytest.mark.parametrize("by", [1, -1])
def test_a_mask_that_openrlhf_shifts_by_one_stops_the_step(step, by):
    stock = SamplesGenerator._process_response_into_experience

    def shifted(made, response, **how):
        experience = stock(made, response, **how)
        experience.action_mask = torch.roll(experience.action_mask, by, dims=1)
        return experience

    with (
        patch.object(SamplesGenerator, "_process_response_into_experience", shifted),
        pytest.raises(
            PluginError, match=r"mask canary: 3 sequences are trained that the policy did not write. In task a"
        ),
    ):
        step[0].run()


def test_an_observation_in_the_loss_stops_the_step(step):
    ready, answers = step
    segment = answers[0]["segments"][0]
    segment["action_ranges"] = [(1, segment["action_ranges"][-1][1])]
    with pytest.raises(PluginError, match="that the policy did not write"):
        ready.run()


def test_a_segment_that_was_encoded_anew_stops_the_step(step, codec):
    ready, answers = step
    segment = answers[1]["segments"][0]
    start, _ = segment["action_ranges"][0]
    segment["observation_tokens"][start] = (segment["observation_tokens"][start] + 1) % 200
    with pytest.raises(PluginError, match="that the policy did not write"):
        ready.run()


def test_ids_that_do_not_say_what_the_record_says_stop_the_step(step):
    ready, answers = step
    answers[1]["written"][0][0]["text"] = "something else"
    with pytest.raises(PluginError, match=r"say .*but the policy's reply was 'something else'"):
        ready.run()


def test_a_trajectory_that_is_trained_twice_stops_the_step(step):
    ready, answers = step
    answers[1]["segments"] *= 2
    with pytest.raises(PluginError, match="is trained 2 times, but was written 1 times"):
        ready.run()


class Engine:
    """A rollout actor that says three letters and ends its turn."""

    def __init__(self, codec) -> None:
        self._codec = codec
        self.prompts: list[list[int]] = []
        self.generate = SimpleNamespace(remote=self._generate)

    def _generate(self, prompt, sampling):
        self.prompts.append(list(prompt))
        ids = [*self._codec.encode(" ok"), sampling.stop_token_ids[0]]
        log_probs = [{one: SimpleNamespace(logprob=-0.1)} for one in ids]
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, logprobs=log_probs, finish_reason="stop")])


def converse(build, codec) -> Engine:
    engine = Engine(codec)
    with patch.object(ray, "get", lambda found: found):
        asyncio.run(check_conversation(engine, codec, build.settings()))
    return engine


def test_a_conversation_with_the_engine_grows_by_concatenation(build, codec):
    engine = converse(build, codec)
    first, second, third = engine.prompts
    assert second[: len(first)] == first
    assert third[: len(second)] == second


@pytest.mark.parametrize(
    ("role", "change", "words"),
    [
        (
            "assistant",
            lambda one: replace(one, token_ids=None, content=one.content.strip()),
            "writes earlier turns anew",
        ),
        ("user", lambda one: replace(one, content=one.content.strip()), "cuts or changes it"),
    ],
)
def test_a_codec_that_renders_turns_anew_stops_the_run_before_its_first_episode(
    build, codec, monkeypatch, role, change, words
):
    stock = Codec.message

    def rendered(made, message: Message):
        return stock(made, change(message) if message.role == role else message)

    monkeypatch.setattr(Codec, "message", rendered)
    with pytest.raises(PluginError, match=words):
        converse(build, codec)
