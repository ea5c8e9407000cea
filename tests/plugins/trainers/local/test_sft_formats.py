"""Imitation from folders that transformers wrote: the author's tokens and ends exactly, or a refusal saying where."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.demonstrations import imitation_sequences, read_demonstrations
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.sft import run_sft


@pytest.fixture(scope="session")
def samples():
    path = Path(__file__).parents[3] / "core" / "engine" / "chat_samples.py"
    spec = importlib.util.spec_from_file_location("chat_samples", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_samples"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hub(samples, tmp_path):
    def write(family: str, name: str) -> Path:
        tokenizer = samples.build(family, getattr(samples, name))
        shape = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "vocab_size": len(tokenizer),
            "initializer_range": 0.09,
            "tie_word_embeddings": True,
        }
        torch.manual_seed(1)
        llama = family == "llama3"
        module = (
            LlamaForCausalLM(LlamaConfig(**shape)) if llama else Qwen3ForCausalLM(Qwen3Config(head_dim=16, **shape))
        )
        module.save_pretrained(tmp_path / "hub")
        tokenizer.save_pretrained(tmp_path / "hub")
        return tmp_path / "hub"

    return write


def toolkit_with(toy, **llm) -> Toolkit:
    made = toy.toy_toolkit()
    plugin = {**made.settings.plugin, "llm": {"local": llm}}
    return Toolkit(plugins=made.plugins, settings=made.settings.model_copy(update={"plugin": plugin}))


@pytest.fixture
def imitate(toy, demos, tasks, tmp_path):
    async def run(policy: Path, **llm):
        config = LocalTrainerConfig.model_validate(
            {"policy": policy, "sft": {"epochs": 2, "learning_rate": 1e-2, "warmup_steps": 1}}
        )
        return await run_sft(
            toolkit_with(toy, **llm),
            config,
            demos=[demos],
            tasks=tasks,
            out=tmp_path / "sft",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )

    return run


FORMATS = pytest.mark.parametrize(
    ("family", "name", "choice", "opening", "end"),
    [
        ("chatml", "CHATML", None, "<|im_start|>assistant\n", "<|im_end|>"),
        ("chatml", "QWEN3", "qwen3", "<|im_start|>assistant\n", "<|im_end|>"),
        ("llama3", "LLAMA3", None, "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        ("llama3", "LLAMA31_DATES", "llama3", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    ],
)


@FORMATS
def test_the_mask_covers_what_the_author_wrote_and_its_ends(
    toy, hub, demos, samples, family, name, choice, opening, end
):
    policy = toolkit_with(toy, chat_format=choice).open_model(f"local/{hub(family, name)}")
    tokenizer = samples.build(family, getattr(samples, name))
    episodes = read_demonstrations([demos], ["say-0-b"], "all").episodes
    items, _ = imitation_sequences(policy, episodes)
    for item, episode in zip(items, episodes, strict=True):
        tokens, ranges = item.sequence.observation_tokens, item.sequence.action_ranges
        written = [tokenizer.decode(tokens[start:stop]) for start, stop in ranges]
        assert written == [reply.text + end for reply in episode.trajectory.replies()]
        for start, _ in ranges:
            assert tokenizer.decode(tokens[:start]).endswith(opening)
        [segment] = episode.trajectory.segments
        said = [("user" if e.message.role == "tool" else e.message.role, e.message.content) for e in segment.entries]
        last = max(at for at, entry in enumerate(segment.entries) if entry.reply is not None)
        whole = policy._codec.chat_format.render(said[: last + 1])
        assert list(tokens) == tokenizer(whole, add_special_tokens=False)["input_ids"][: len(tokens)]


@FORMATS
async def test_it_is_imitated_and_trained_on(toy, imitate, hub, tasks, tmp_path, family, name, choice, opening, end):
    summary = await imitate(hub(family, name), chat_format=choice)
    assert summary.metrics[-1]["loss"] < summary.metrics[0]["loss"]
    summary = await run_grpo(
        toolkit_with(toy, chat_format=choice),
        toy.grpo_config(tmp_path / "sft", steps=1),
        tasks=tasks,
        out=tmp_path / "grpo",
        drain=asyncio.Event(),
        tell=lambda line: None,
    )
    assert summary.metrics[0]["rollout_gap"] < 1e-4


@pytest.mark.parametrize(
    ("family", "name", "words"),
    [
        ("chatml", "QWEN3", r"message 2 \(assistant\): the template writes '<think>"),
        ("chatml", "QWEN3_DROPS", r"message 3 \(assistant\): the template writes '<tool_call>"),
        ("llama3", "LLAMA3_TRIMS", r"message 1 \(system\): the template writes 'spaced<\|eot_id\|>"),
        ("llama3", "LLAMA31_DATES", "adds text of its own"),
    ],
)
async def test_under_a_template_whose_mask_cannot_be_proven_nothing_is_imitated(imitate, hub, family, name, words):
    with pytest.raises(ConfigError, match=words) as problem:
        await imitate(hub(family, name))
    assert "plugin.llm.local.chat_format" in str(problem.value)
