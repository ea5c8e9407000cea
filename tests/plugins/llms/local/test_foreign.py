"""Ordinary folders that transformers wrote: opened token-exactly, conversations grow, the rest is refused."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from sandmle.core.contracts.policy import AdapterShape
from sandmle.core.errors import ConfigError
from sandmle.core.types.message import Message
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@pytest.fixture(scope="session")
def samples():
    path = Path(__file__).parents[3] / "core" / "engine" / "chat_samples.py"
    spec = importlib.util.spec_from_file_location("chat_samples", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_samples"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write(samples, tmp_path):
    """Write a folder as a model hub has them."""

    def made(kind: str, template: str, **config) -> Path:
        family = "llama3" if kind == "llama" else "chatml"
        tokenizer = samples.build(family, template)
        common = {**SHAPE, "vocab_size": len(tokenizer) + 3, "eos_token_id": tokenizer.eos_token_id, **config}
        torch.manual_seed(1)
        match kind:
            case "qwen3":
                module = Qwen3ForCausalLM(Qwen3Config(head_dim=16, tie_word_embeddings=True, **common))
            case "qwen2":
                module = Qwen2ForCausalLM(Qwen2Config(**common))
                for one in module.modules():
                    if isinstance(one, torch.nn.Linear) and one.bias is not None:
                        torch.nn.init.normal_(one.bias, std=0.5)
            case _:
                module = LlamaForCausalLM(LlamaConfig(rope_parameters=LLAMA3_ROPE, attention_bias=True, **common))
        with torch.no_grad():
            module.lm_head.weight.mul_(8)
        folder = tmp_path / "hub"
        module.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return made


def opened(path: Path, **config):
    return LocalProvider(LocalConfig(**config)).open_model(f"local/{path}")


def refused(path: Path, **config) -> str:
    with pytest.raises(ConfigError) as problem:
        opened(path, **config)
    return str(problem.value)


SAID = [Message(role="system", content="Be brief."), Message(role="user", content="What is it?")]
KINDS = pytest.mark.parametrize(
    ("kind", "name"), [("qwen3", "CHATML"), ("qwen3", "QWEN3"), ("qwen2", "CHATML"), ("llama", "LLAMA3")]
)


@KINDS
async def test_what_is_asked_is_what_the_template_writes_and_log_probs_are_exact(write, samples, options, kind, name):
    path = write(kind, getattr(samples, name))
    model, theirs = opened(path), AutoTokenizer.from_pretrained(path)
    replies = await asyncio.gather(*(model.reply(SAID, options(at)) for at in range(4)))
    said = [{"role": one.role, "content": one.content} for one in SAID]
    asked = theirs.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
    for reply in replies:
        assert list(reply.prompt_ids) == list(asked)
        ids = torch.tensor([reply.prompt_ids + reply.sampled_ids])
        with torch.no_grad():
            rows = torch.log_softmax(model.module(ids).logits[0].float(), dim=-1)[len(reply.prompt_ids) - 1 : -1]
        assert list(reply.log_probs) == pytest.approx(
            rows.gather(1, torch.tensor(reply.sampled_ids)[:, None])[:, 0].tolist(), abs=1e-4
        )


@KINDS
async def test_a_conversation_grows_and_its_own_turns_stay_as_they_were_sampled(write, samples, options, kind, name):
    model = opened(write(kind, getattr(samples, name)))
    first = await model.reply(SAID, options(1))
    own = Message(role="assistant", content=first.text, token_ids=first.sampled_ids)
    second = await model.reply([*SAID, own, Message(role="user", content="Go on.")], options(2))
    spoken = first.prompt_ids + first.sampled_ids
    assert second.prompt_ids[: len(spoken)] == spoken


@KINDS
async def test_it_is_saved_for_us_and_for_others_adapter_or_not(write, samples, options, tmp_path, kind, name):
    model = opened(write(kind, getattr(samples, name)))
    model.add_adapter(AdapterShape(rank=4), 1)
    with torch.no_grad():
        for part, one in model.module.named_parameters():
            if ".lora_B" in part:
                one.normal_(std=0.1)
    model.save(tmp_path / "saved")
    again = opened(tmp_path / "saved")
    ids = torch.tensor([[5, 9, 200, 7]])
    assert torch.equal(again.module(ids).logits, model.module(ids).logits)
    assert again.encode(SAID[1]) == model.encode(SAID[1])
    assert (again.begin_ids, again.unproven) == (model.begin_ids, None)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "saved")
    said = [("user", "x"), ("assistant", "<think>\ny\n</think>\n\nz"), ("user", " w ")]
    told = [{"role": role, "content": content} for role, content in said]
    whole = theirs.apply_chat_template(told, add_generation_prompt=True, return_dict=False)
    ours = [*again.begin_ids]
    for role, content in said:
        ours += again.encode(Message(role=role, content=content)).ids
    assert list(whole)[: len(ours)] == ours


async def test_the_checkpoints_own_ends_end_a_reply(write, samples, options):
    path = write("qwen3", samples.CHATML)
    ends = json.loads((path / "generation_config.json").read_text())
    other = samples.build("chatml", samples.CHATML).convert_tokens_to_ids("<|endoftext|>")
    ends["eos_token_id"] = [ends["eos_token_id"], other]
    (path / "generation_config.json").write_text(json.dumps(ends))
    model = opened(path)
    model.module.lm_head = torch.nn.Linear(32, model.module.config.vocab_size, bias=True)
    with torch.no_grad():
        model.module.lm_head.weight.zero_()
        model.module.lm_head.bias.fill_(-1e4)
        model.module.lm_head.bias[other] = 0.0
    reply = await model.reply(SAID, options())
    assert (reply.sampled_ids, reply.finish_reason, reply.text) == ((other,), "stop", "")


def test_the_template_of_qwen3_is_opened_and_remembered_as_unproven(write, samples, caplog):
    path = write("qwen3", samples.QWEN3)
    model = opened(path)
    assert "message 2 (assistant)" in model.unproven
    assert "its own does more" in caplog.text
    assert opened(path, chat_format="qwen3").unproven is None
    assert opened(path, chat_format="qwen3").encode(SAID[1]) == model.encode(SAID[1])


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("llama", "LLAMA31_DATES", "adds text of its own"),
        ("qwen3", "OWN_SYSTEM", "adds text of its own"),
        ("qwen3", "TEXT_ENDS", "no text can spell"),
    ],
)
def test_a_template_that_adds_text_is_refused_with_what_to_set(write, samples, kind, name, words):
    path = write(kind, getattr(samples, name))
    said = refused(path)
    assert words in said
    assert 'set plugin.llm.local.chat_format to "chatml", "qwen3" or "llama3"' in said
    opened(path, chat_format="llama3" if kind == "llama" else "chatml")


def test_a_format_of_another_family_is_refused(write, samples):
    assert "has no token '<|begin_of_text|>'" in refused(write("qwen3", samples.QWEN3), chat_format="llama3")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gemma"}, "its architecture is 'gemma'; known: llama, qwen2, qwen3"),
        ({"hidden_act": "gelu"}, "its activation is 'gelu'"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "of type 'dynamic'"),
        ({"layer_types": ["sliding_attention"] * 2}, "looks at a window only"),
    ],
)
def test_what_would_be_computed_wrongly_is_refused(write, samples, changes, words):
    path = write("qwen3", samples.CHATML)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))
    assert words in refused(path)


def test_missing_and_broken_parts_are_named(write, samples):
    path = write("qwen3", samples.CHATML)
    (path / "chat_template.jinja").unlink()
    assert "neither chat_format.json nor a chat template" in refused(path)
    (path / "tokenizer_config.json").write_text("{")
    assert "no tokenizer that transformers opens" in refused(path)
    (path / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in refused(path)
