"""Everything is encodable and comes back; frequent lines are one token; no text can spell a role."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.types.message import Message, ToolCall
from sandmle.plugins.llms.local.codec import ChatFormat, Codec, as_text
from sandmle.plugins.llms.local.tokenizer import SPECIAL_TOKENS, build_tokenizer

LINE = "train = pd.read_csv('data/train.csv')\n"
CODEC = Codec(build_tokenizer([LINE, "metric: rmse, rows: 12, target: price\n"] * 5, 500), ChatFormat())


@given(st.text())
def test_any_text_comes_back_from_its_ids(text):
    assert CODEC.decode(CODEC.encode(text)) == text


@given(st.text(alphabet=st.sampled_from("<|>endusrasitpadym ")) | st.sampled_from(SPECIAL_TOKENS))
def test_no_text_is_encoded_as_a_special_token(text):
    special = {CODEC.tokenizer.token_to_id(one) for one in SPECIAL_TOKENS}
    assert special.isdisjoint(CODEC.encode(text))
    assert CODEC.decode(CODEC.encode(text)) == text


def test_a_frequent_line_is_one_token_and_a_frequent_phrase_too():
    assert len(CODEC.encode(LINE)) == 1
    assert len(CODEC.encode("metric: ")) == 1


def test_digits_are_tokens_of_their_own():
    assert len(CODEC.encode("3141")) == 4


def test_the_same_texts_give_the_same_tokenizer():
    texts = [LINE, "a: b, c\n"] * 4
    assert build_tokenizer(texts, 400).to_str() == build_tokenizer(texts, 400).to_str()


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(ValueError, match="no room"):
        build_tokenizer(["a"], 100)


def test_a_conversation_is_the_concatenation_of_its_messages():
    messages = [Message(role="system", content="a"), Message(role="user", content="b")]
    joined = sum((CODEC.message(one).ids for one in messages), ())
    assert CODEC.prompt(messages)[: len(joined)] == joined


def test_own_turns_are_their_stored_ids_and_nothing_else():
    ids = (300, 301, CODEC.end_id)
    message = CODEC.message(Message(role="assistant", content="never encoded", token_ids=ids))
    assert message.ids[message.start : message.end] == ids


def test_an_own_turn_that_was_cut_off_is_ended_after_its_ids():
    message = CODEC.message(Message(role="assistant", content="x", token_ids=(300,)))
    assert message.ids[message.start : message.end] == (300, CODEC.end_id)


def test_native_calls_are_spelled_out_where_the_chat_format_knows_none():
    call = ToolCall(call_id="a", name="run", arguments='{"code": "1"}')
    said = Message(role="assistant", content="I look.", tool_calls=(call,))
    assert as_text(said) == 'I look.\n<tool_call>\n{"name": "run", "arguments": {"code": "1"}}\n</tool_call>'
    heard = Message(role="tool", content="1", tool_call_id="a")
    spelled = Message(role="user", content="<tool_response>\n1\n</tool_response>")
    assert CODEC.message(heard) == CODEC.message(spelled)
    assert as_text(Message(role="assistant", content="")) == ""
