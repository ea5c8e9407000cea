"""The template audit, on the real codec and on templates that do what stock ones do."""

from dataclasses import replace

import pytest

from sandmle.core.errors import PluginError
from sandmle.core.types.message import ModelReply
from sandmle.plugins.trainers.canaries.templates import check_template


async def test_a_codec_that_concatenates_passes(policy, policy_codec):
    assert await check_template(policy, policy_codec.decode, 1.0) > 50


class Through:
    """The policy, its messages changed by a template of another kind first."""

    name = "some/template"

    def __init__(self, policy, change):
        self._policy = policy
        self._change = change

    async def reply(self, messages, options):
        return await self._policy.reply([self._change(one) for one in messages], options)


async def test_a_template_that_writes_its_own_turns_anew_is_refused(policy, policy_codec):
    def rendered(message):
        return replace(message, token_ids=None, content="<think>\n\n</think>\n\n" + message.content)

    model = Through(policy, lambda one: rendered(one) if one.role == "assistant" else one)
    with pytest.raises(PluginError, match=r"before turn 1, the conversation's token .* writes earlier turns anew"):
        await check_template(model, policy_codec.decode, 1.0)


async def test_a_context_that_is_full_after_a_turn_ends_the_look(policy, policy_codec):
    class Full(Through):
        async def reply(self, messages, options):
            if any(one.role == "assistant" for one in messages):
                return ModelReply(text="", finish_reason="context")
            return await super().reply(messages, options)

    assert 10 < await check_template(Full(policy, lambda one: one), policy_codec.decode, 1.0) < 50


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.strip(),
        lambda text: text.replace("<think>x</think>", ""),
    ],
)
async def test_a_template_that_cuts_what_was_said_is_refused(policy, policy_codec, change):
    model = Through(policy, lambda one: replace(one, content=change(one.content)) if one.role == "user" else one)
    with pytest.raises(PluginError, match=r"in turn 1,.*cuts or changes it"):
        await check_template(model, policy_codec.decode, 1.0)


async def test_a_tokenizer_under_which_text_spells_the_end_of_a_turn_is_refused(policy, policy_codec):
    tokenizer = policy_codec.tokenizer
    tokenizer.encode_special_tokens = False
    model = policy
    held = model._codec.tokenizer
    held.encode_special_tokens = False
    try:
        with pytest.raises(PluginError, match="cuts or changes it"):
            await check_template(model, policy_codec.decode, 1.0)
    finally:
        held.encode_special_tokens = True
