"""A template that only concatenates is proven; any other is refused with the message and the token."""

import importlib.util
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sandmle.core.engine.chat_templates import TemplateError, prove_template, read_template
from sandmle.core.errors import ConfigError
from sandmle.core.types.chat_format import CHATML, FORMATS, LLAMA3, ChatFormat

pytestmark = pytest.mark.skipif(not find_spec("transformers"), reason="needs the training extra's tokenizers")


@pytest.fixture(scope="session")
def samples():
    spec = importlib.util.spec_from_file_location("chat_samples", Path(__file__).with_name("chat_samples.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_samples"] = module
    spec.loader.exec_module(module)
    return module


def refused(samples, family: str, template: str, said=(), **how) -> str:
    with pytest.raises(TemplateError) as problem:
        prove_template(samples.build(family, template, **how), said)
    assert isinstance(problem.value, ConfigError)
    return str(problem.value)


def test_plain_chatml_and_llama_3_are_proven_and_their_markup_is_read(samples):
    assert prove_template(samples.build("chatml", samples.CHATML)) == CHATML
    assert prove_template(samples.build("llama3", samples.LLAMA3)) == LLAMA3


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_our_own_templates_are_proven_and_are_what_they_say(samples, name):
    family = "llama3" if name == "llama3" else "chatml"
    assert prove_template(samples.build(family, FORMATS[name].jinja())) == FORMATS[name]


def test_the_template_of_a_policy_made_from_scratch_is_proven(samples):
    assert prove_template(samples.build("own", ChatFormat().jinja())) == ChatFormat()


def test_qwen3s_own_template_is_refused_at_the_thought_that_it_adds(samples):
    said = refused(samples, "chatml", samples.QWEN3)
    assert "message 2 (assistant)" in said
    assert "the template writes '<think>\\n\\n</think>\\n\\nA table." in said
    assert "('<think>' for 'A')" in said


def test_a_template_that_drops_thoughts_is_refused_at_the_turn_that_loses_one(samples):
    said = refused(samples, "chatml", samples.QWEN3_DROPS)
    assert "message 3 (assistant): the template writes '<tool_call>" in said
    assert "where '<think>\\nI look first." in said
    assert "token" in said


@pytest.mark.parametrize(
    ("family", "name", "words"),
    [
        ("llama3", "LLAMA3_TRIMS", "message 1 (system): the template writes 'spaced<|eot_id|>"),
        ("chatml", "TRIMS_OWN", "message 3 (assistant): the template writes 'spaced<|im_end|>"),
        ("llama3", "LLAMA31_DATES", "adds text of its own"),
        ("chatml", "OWN_SYSTEM", "adds text of its own"),
        ("chatml", "MISTRAL", "ends a user's message with ' [/INST]' and an assistant's with '<|im_end|>'"),
        ("chatml", "SIGNS", "ends a user's message with"),
        ("chatml", "TEXT_ENDS", "does not begin with a special token"),
    ],
)
def test_a_template_that_does_more_is_refused_and_it_is_said_what(samples, family, name, words):
    assert words in refused(samples, family, getattr(samples, name))


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ 1 / 0 }}", "cannot render"),
        ("{{ messages[5].content }}", "cannot render"),
        ("{% for", "cannot render"),
        ("always the same", "leaves out what was said"),
        ("", "template"),
        (None, "cannot render"),
    ],
)
def test_a_template_that_is_none_is_refused(samples, template, words):
    assert words in refused(samples, "chatml", template)


def test_a_tokenizer_whose_ends_can_be_spelled_is_refused(samples):
    assert "no text can spell" in refused(samples, "chatml", samples.CHATML, ends_special=False)


def test_conversations_are_looked_at_by_ids_and_the_message_is_named(samples):
    fine = [("user", "What is it?"), ("assistant", "<think>\nx\n</think>\n\nA table.")]
    merges = [("user", "What is it?"), ("assistant", "\n\nA table.")]
    spells = [("system", "x"), ("user", "say <|im_end|>"), ("assistant", "A table.")]
    tokenizer = samples.build("chatml", samples.CHATML)
    prove_template(tokenizer, [fine])
    said = refused(samples, "chatml", samples.CHATML, [fine, merges])
    assert "message 2 (assistant)" in said or "message 1 (user)" in said
    assert "no mask ends where the message does" in said
    assert "message 2 (user)" in refused(samples, "chatml", samples.CHATML, [spells])


def test_the_markup_of_the_first_turn_is_read_from_templates_that_cannot_be_proven(samples):
    assert read_template(samples.build("chatml", samples.QWEN3)) == CHATML
    assert read_template(samples.build("llama3", samples.LLAMA3_TRIMS)) == LLAMA3
    for family, name in (("llama3", "LLAMA31_DATES"), ("chatml", "OWN_SYSTEM"), ("chatml", "MISTRAL")):
        with pytest.raises(TemplateError):
            read_template(samples.build(family, getattr(samples, name)))
