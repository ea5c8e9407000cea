"""Demonstrations go in as they were said, under a template whose mask is proven, or not at all."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from sandmle.core.engine.chat_templates import TemplateError
from sandmle.core.engine.crews import open_crew
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError, PluginError, RunError
from sandmle.core.types.chat_format import CHATML
from sandmle.plugins.trainers.local.playing import open_stage, read_tasks
from sandmle.plugins.trainers.openrlhf.commands import read_section
from sandmle.plugins.trainers.openrlhf.sft import plan_sft
from sandmle.plugins.trainers.openrlhf.sft_data import Conversations, choose_template, conversations_of, fitting
from sandmle.plugins.trainers.openrlhf.sft_launch import run_openrlhf_sft

SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
DROPS_THOUGHTS = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{{ m.content if loop.last else m.content.split('</think>')[-1] }}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tokenizer(template: str | None = None, end: str = "<|im_end|>"):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|pad|>", eos_token=end)
    fast.add_special_tokens({"additional_special_tokens": [one for one in SPECIAL if one not in ("<|pad|>", end)]})
    fast.chat_template = template
    return fast


@pytest.fixture(scope="module")
def toy():
    path = Path(__file__).parents[1] / "local" / "toy_world.py"
    spec = importlib.util.spec_from_file_location("toy_demos", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_demos"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demos(toy, tmp_path_factory) -> tuple[Path, Path]:
    """Tasks, and eight demonstrations of each."""
    root = tmp_path_factory.mktemp("sft")
    for letter in "ab":
        toy.write_toy_task(root / "tasks", letter)

    async def play() -> None:
        toolkit = toy.toy_toolkit()
        async with open_crew(toolkit, toy.Chatterbox()) as crew:
            with open_stage(toolkit, root / "demos", 8, asyncio.Event()) as stage:
                await stage.play(crew, read_tasks(root / "tasks"), 8)

    asyncio.run(play())
    return root / "tasks", root / "demos"


def planned(demos, out: Path, policy: Path, **more):
    given = {
        "plugin.trainer.openrlhf.policy": str(policy),
        "plugin.trainer.openrlhf.sft.keep": "all",
        "plugin.trainer.openrlhf.sft.batch_sequences": 8,
        **{f"plugin.trainer.openrlhf.{key}": value for key, value in more.items()},
    }
    toolkit = open_toolkit(overrides=given)
    tasks, run = demos
    return plan_sft(toolkit, read_section(toolkit), demos=[run], tasks=tasks, out=out)


@pytest.fixture
def policy(tmp_path) -> Path:
    tokenizer(CHATML.jinja()).save_pretrained(tmp_path / "policy")
    (tmp_path / "policy" / "config.json").write_text("{}")
    return tmp_path / "policy"


def test_conversations_are_what_was_said_up_to_the_last_sampled_turn(demos, policy, tmp_path):
    plan = planned(demos, tmp_path / "out", policy)
    rows = [json.loads(line)["messages"] for line in plan.files[plan.paths.work / "demonstrations.jsonl"].splitlines()]
    assert len(rows) == plan.conversations == 16
    assert all(row[-1]["role"] == "assistant" for row in rows)
    assert {message["role"] for row in rows for message in row} <= {"system", "user", "assistant"}
    assert plan.template == "the tokenizer"
    assert plan.flags[plan.flags.index("--data.tokenizer_chat_template") + 1] == CHATML.jinja()
    assert plan.command[:6] == [
        "-m",
        "deepspeed.launcher.runner",
        "--num_gpus",
        "8",
        "--module",
        "openrlhf.cli.train_sft",
    ]


def test_a_template_of_the_tokenizer_that_cannot_be_proven_is_replaced_by_a_plain_one(demos, policy, tmp_path):
    tokenizer(DROPS_THOUGHTS).save_pretrained(policy)
    plan = planned(demos, tmp_path / "out", policy)
    assert plan.template == "chatml"
    assert plan.files[plan.paths.work / "template.jinja"] == CHATML.jinja()


def test_a_template_that_was_asked_for_and_cannot_be_proven_is_refused(demos, policy, tmp_path):
    file = tmp_path / "mine.jinja"
    file.write_text(DROPS_THOUGHTS)
    with pytest.raises(TemplateError, match=r"message \d \(assistant\)"):
        planned(demos, tmp_path / "out", policy, **{"sft.template": str(file)})
    with pytest.raises(ConfigError, match="cannot read the chat template"):
        planned(demos, tmp_path / "out", policy, **{"sft.template": str(tmp_path / "nothing")})


def test_a_tokenizer_with_another_end_is_refused():
    with pytest.raises(ConfigError, match=r"set eos_token to '<\|im_end\|>'"):
        choose_template(tokenizer(CHATML.jinja(), end="<|endoftext|>"), None)


def test_a_tokenizer_without_template_and_known_tokens_is_refused():
    made = tokenizer()
    made.chat_template = None
    assert choose_template(made, None).origin == "chatml"
    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE(vocab={"a": 0}, merges=[])), eos_token="a")
    with pytest.raises(TemplateError, match="no chat template, and the tokens of none of ours"):
        choose_template(bare, None)


def test_long_conversations_and_those_that_spell_special_tokens_are_left_out():
    made = tokenizer(CHATML.jinja())
    proven = choose_template(made, None)
    fine = [("user", "hello"), ("assistant", "there")]
    long = [("user", "x" * 500), ("assistant", "there")]
    spells = [("user", "say <|im_end|>"), ("assistant", "there")]
    found = fitting(made, proven, Conversations(said=(fine, long, spells), left_out={"native_calls": 2}), 200)
    assert found.said == (fine,)
    assert found.left_out == {"native_calls": 2, "too_long": 1, "no_mask": 1}
    with pytest.raises(RunError, match="no demonstration is left"):
        fitting(made, proven, Conversations(said=(long,), left_out={}), 200)


def test_an_assistants_message_that_nobody_sampled_is_not_imitated(demos):
    from dataclasses import replace

    from sandmle.core.engine.store import read_episodes

    episode = next(iter(read_episodes(demos[1])))
    [segment] = episode.trajectory.segments
    entries = tuple(
        replace(entry, reply=None) if entry.reply and not number else entry
        for number, entry in enumerate(sorted(segment.entries, key=lambda one: one.reply is None))
    )
    written = replace(segment, entries=entries)
    changed = replace(episode, trajectory=replace(episode.trajectory, segments=(written,)))
    found = conversations_of([episode, changed])
    assert len(found.said) == 1
    assert found.left_out == {"not_sampled": 1}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"sft.batch_sequences": 64}, "schedule would have 0 steps"),
        ({"sft.batch_sequences": 12}, "cannot be shared evenly by 8 GPUs"),
        ({"nodes": 2}, "SFT runs on the GPUs of one machine"),
        ({"engine.attention": "sdpa"}, "packing needs flash attention"),
    ],
)
def test_what_openrlhf_cannot_do_is_refused(demos, policy, tmp_path, more, words):
    with pytest.raises(ConfigError, match=words):
        planned(demos, tmp_path / "out", policy, **more)


def test_without_a_tokenizer_nothing_is_proven(demos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be opened"):
        planned(demos, tmp_path / "out", tmp_path / "empty")


async def test_what_is_missing_is_said_before_anything_is_written(demos, policy, tmp_path):
    (policy / "model.safetensors").touch()
    plan = planned(demos, tmp_path / "out", policy)
    with pytest.raises(PluginError, match="not installed here"):
        await run_openrlhf_sft(open_toolkit(), plan, drain=asyncio.Event(), tell=print)
    assert not (tmp_path / "out").exists()
