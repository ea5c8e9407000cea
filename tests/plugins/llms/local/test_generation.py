"""Log-probs are those of the trained distribution, whatever was batched with what and kept from before."""

import asyncio

import pytest
import torch

from sandmle.core.errors import ProviderError
from sandmle.core.types.message import Message


def ask(number: int) -> list[Message]:
    return [
        Message(role="system", content="Answer every time with your thoughts."),
        Message(role="user", content="rows: 120, columns: 7\n" * (1 + number % 4) + str(number)),
    ]


def extended(messages, reply):
    own = Message(role="assistant", content=reply.text, token_ids=reply.sampled_ids)
    return [*messages, own, Message(role="user", content="Status: ok\n")]


def recomputed(model, reply, temperature=1.0) -> list[float]:
    ids = torch.tensor([reply.prompt_ids + reply.sampled_ids])
    with torch.no_grad():
        log_probs = torch.log_softmax(model.module(ids).logits[0].float() / temperature, dim=-1)
    rows = log_probs[len(reply.prompt_ids) - 1 : -1]
    return rows.gather(1, torch.tensor(reply.sampled_ids)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("temperature", [1.0, 0.6])
async def test_log_probs_equal_those_of_a_plain_forward_pass(model, options, temperature):
    asked = [ask(number) for number in range(5)]
    replies = await asyncio.gather(
        *(model.reply(one, options(at, temperature=temperature)) for at, one in enumerate(asked))
    )
    for reply in replies:
        assert reply.log_probs == pytest.approx(recomputed(model, reply, temperature), abs=1e-4)


async def test_a_reply_alone_equals_the_reply_in_a_batch(model, options):
    asked = [ask(number) for number in range(6)]
    together = await asyncio.gather(*(model.reply(one, options(at)) for at, one in enumerate(asked)))
    for at, one in enumerate(asked):
        model.weights_changed()
        alone = await model.reply(one, options(at))
        assert alone.sampled_ids == together[at].sampled_ids
        assert alone.log_probs == pytest.approx(together[at].log_probs, abs=1e-4)


async def test_a_conversation_that_goes_on_equals_one_read_anew(model, options):
    asked = [ask(number) for number in range(4)]
    first = await asyncio.gather(*(model.reply(one, options(at)) for at, one in enumerate(asked)))
    longer = [extended(one, reply) for one, reply in zip(asked, first, strict=True)]
    kept = await asyncio.gather(*(model.reply(one, options(50 + at)) for at, one in enumerate(longer)))
    model.weights_changed()
    anew = await asyncio.gather(*(model.reply(one, options(50 + at)) for at, one in enumerate(longer)))
    for before, one, other in zip(first, kept, anew, strict=True):
        spoken = before.prompt_ids + before.sampled_ids
        assert one.prompt_ids[: len(spoken)] == spoken
        assert one.sampled_ids == other.sampled_ids
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-4)


async def test_samples_of_one_prompt_differ_and_each_comes_again(model, options):
    replies = await asyncio.gather(*(model.reply(ask(0), options(index)) for index in range(6)))
    again = await asyncio.gather(*(model.reply(ask(0), options(index)) for index in range(6)))
    assert len({one.sampled_ids for one in replies}) == 6
    assert [one.sampled_ids for one in replies] == [one.sampled_ids for one in again]


async def test_fewer_tokens_are_a_beginning_of_more(model, options):
    short = await model.reply(ask(1), options(4, max_tokens=5))
    long = await model.reply(ask(1), options(4, max_tokens=24))
    assert long.sampled_ids[:5] == short.sampled_ids
    assert short.finish_reason == "length"


async def test_temperature_zero_takes_the_likeliest_token_with_certainty(model, options):
    reply = await model.reply(ask(2), options(temperature=0.0, max_tokens=6))
    with torch.no_grad():
        logits = model.module(torch.tensor([reply.prompt_ids + reply.sampled_ids])).logits[0]
    assert tuple(logits.argmax(-1)[len(reply.prompt_ids) - 1 : -1].tolist()) == reply.sampled_ids
    assert set(reply.log_probs) == {0.0}


def prefer(model, *ids: int) -> None:
    """Make the policy say these tokens, each after any other, by a head that knows nothing else."""
    head = torch.zeros_like(model.module.lm_head.weight)
    model.module.lm_head = torch.nn.Linear(*reversed(head.shape), bias=True)
    with torch.no_grad():
        model.module.lm_head.weight.zero_()
        model.module.lm_head.bias.fill_(-1e4)
        for one in ids:
            model.module.lm_head.bias[one] = 0.0


async def test_the_end_is_sampled_and_part_of_the_ids(model, options):
    prefer(model, model._codec.end_id)
    reply = await model.reply(ask(0), options())
    assert (reply.text, reply.finish_reason, reply.sampled_ids) == ("", "stop", (model._codec.end_id,))


async def test_a_policy_that_never_ends_is_cut(model, options):
    prefer(model, model._codec.encode("x")[0])
    reply = await model.reply(ask(0), options(max_tokens=7))
    assert (reply.text, reply.finish_reason) == ("x" * 7, "length")


async def test_a_stop_string_ends_the_reply_before_itself_and_its_ids_are_kept(model, options):
    prefer(model, model._codec.encode(">")[0])
    reply = await model.reply(ask(0), options(stop=(">>>",)))
    assert (reply.text, reply.finish_reason, len(reply.sampled_ids)) == ("", "stop", 3)


async def test_roles_that_the_policy_samples_are_no_text(model, options):
    prefer(model, model._codec.tokenizer.token_to_id("<|user|>"))
    reply = await model.reply(ask(0), options(max_tokens=3))
    assert (reply.text, len(reply.sampled_ids)) == ("", 3)


async def test_bytes_that_are_no_text_are_shown_as_such(model, options):
    broken = model._codec.tokenizer.encode("é").ids[:1]
    prefer(model, *broken)
    reply = await model.reply(ask(0), options(max_tokens=2))
    assert set(reply.text) == {"\N{REPLACEMENT CHARACTER}"}


async def test_the_context_cuts_a_reply_and_then_leaves_no_room(model, options):
    near = [Message(role="user", content="3" * (model.context_tokens - 8))]
    reply = await model.reply(near, options())
    assert reply.finish_reason in ("length", "stop")
    assert len(reply.prompt_ids + reply.sampled_ids) <= model.context_tokens
    beyond = [Message(role="user", content="3" * model.context_tokens)]
    reply = await model.reply(beyond, options())
    assert (reply.finish_reason, reply.text, reply.sampled_ids) == ("context", "", None)


async def test_weights_that_are_no_numbers_are_the_machinerys_failure(model, options):
    with torch.no_grad():
        next(model.module.parameters()).fill_(float("nan"))
    with pytest.raises(ProviderError, match="no finite probabilities"):
        await model.reply(ask(0), options())


async def test_one_that_gives_up_does_not_disturb_the_others(model, options):
    asked = [asyncio.ensure_future(model.reply(ask(at), options(at))) for at in range(3)]
    await asyncio.sleep(0)
    asked[1].cancel()
    first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(second, asyncio.CancelledError)
    model.weights_changed()
    assert first.sampled_ids == (await model.reply(ask(0), options(0))).sampled_ids
    assert third.sampled_ids == (await model.reply(ask(2), options(2))).sampled_ids


async def test_closing_twice_is_closing_once(model, options):
    await model.reply(ask(0), options())
    await model.close()
    await model.close()


async def test_a_small_memory_of_conversations_changes_no_reply(model, options):
    model._generator._conversations._most = 40
    asked = [ask(number) for number in range(4)]
    few = [await model.reply(one, options(at)) for at, one in enumerate(asked)]
    assert model._generator._conversations._tokens <= 40
    model._generator._conversations._most = 10_000
    many = [await model.reply(one, options(at)) for at, one in enumerate(asked)]
    assert [one.sampled_ids for one in few] == [one.sampled_ids for one in many]
