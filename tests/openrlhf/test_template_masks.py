"""What OpenRLHF's own SFT dataset trains under a chat template, and what we say of that template before.

It finds an author's tokens by rendering beginnings of the conversation, which is right where a template only
concatenates. The stock templates are those that TRL ships.
"""

from importlib.resources import files

import pytest
from datasets import Dataset
from openrlhf.datasets import SFTDataset

from sandmle.core.engine.chat_templates import TemplateError, prove_template
from sandmle.core.types.chat_format import FORMATS

LLAMA = ("<|pad|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
CHATML = ("<|pad|>", "<|im_start|>", "<|im_end|>")
THOUGHT = "<think>\nFirst I look.\n</think>\n\n"
CONVERSATIONS = {
    "one turn": [("user", "What is it?"), ("assistant", "A table.")],
    "turns": [
        ("system", "Be brief."),
        ("user", "U1"),
        ("assistant", "A1 <b>"),
        ("user", "U2 {{ x }}"),
        ("assistant", "A2\nmore"),
        ("user", "U3"),
        ("assistant", "é"),
    ],
    "thoughts": [
        ("user", "U1"),
        ("assistant", THOUGHT + "A1"),
        ("user", "U2"),
        ("assistant", THOUGHT + "A2"),
    ],
    "two in a row": [("user", "U1"), ("user", "U2"), ("assistant", "A1"), ("assistant", "A2")],
}


@pytest.fixture(scope="module")
def settings(build):
    return build.settings()


def stock(name: str) -> str:
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text("utf-8")


def trained(build, args, said, template: str, special, end: str) -> tuple[list[str], object]:
    """The text of each run of tokens that OpenRLHF trains, and the tokenizer."""
    tokenizer = build.byte_tokenizer(special, end, template)
    args.data.input_key, args.data.output_key, args.data.apply_chat_template = "messages", None, True
    args.data.tokenizer_chat_template = None
    rows = Dataset.from_list([{"messages": [{"role": role, "content": content} for role, content in said]}])
    data = SFTDataset(rows, tokenizer, 4096, build.OneProcess(args=args), num_processors=1, multiturn=True)
    ids, _, mask = data[0]
    runs, before = [], False
    # The loss at a place is that of the token after it.
    for token, on in zip(ids[0, 1:].tolist(), mask[0, :-1].bool().tolist(), strict=True):
        if on:
            runs[-1:] = [[*runs[-1], token]] if before else [*runs[-1:], [token]]
        before = on
    return [tokenizer.decode(run) for run in runs], tokenizer


@pytest.mark.parametrize(("name", "special"), [("chatml", CHATML), ("qwen3", CHATML), ("llama3", LLAMA)])
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_under_our_formats_exactly_the_authors_turns_are_trained(build, settings, name, special, conversation):
    said, chat_format = CONVERSATIONS[conversation], FORMATS[name]
    found, tokenizer = trained(build, settings, said, chat_format.jinja(), special, chat_format.end)
    assert prove_template(tokenizer, [said]) == chat_format
    # ChatML's line end after a turn is trained too, but for the last; nobody writes it and nobody samples it.
    written = [content + chat_format.end + chat_format.after for role, content in said if role == "assistant"]
    written[-1] = written[-1].removesuffix(chat_format.after)
    assert found == written
    assert not any(content in text for text in found for role, content in said if role != "assistant")


def test_under_the_stock_template_of_qwen3_it_trains_the_next_user_s_turn(build, settings):
    found, _ = trained(build, settings, CONVERSATIONS["turns"], stock("qwen3"), CHATML, "<|im_end|>")
    assert found[0].startswith("A1 <b><|im_end|>\n<|im_start|>user\nU2 {{ x }}")
    thoughts, _ = trained(build, settings, CONVERSATIONS["thoughts"], stock("qwen3"), CHATML, "<|im_end|>")
    # What was thought in the first turn is gone from the text, and the user's turn is trained.
    assert thoughts[0].startswith("A1<|im_end|>\n<|im_start|>user\nU2")


@pytest.mark.parametrize(
    ("name", "special", "says"),
    [
        ("qwen3", CHATML, r"message 2 \(assistant\): the template writes '<think>.* from token 30 on"),
        ("qwen3_training", CHATML, r"message 2 \(assistant\): the template writes '<think>.* from token 30 on"),
        ("qwen2_5", CHATML, "adds text of its own"),
        ("llama3", LLAMA, r"message \d \(\w+\): the template writes .* from token \d+ on"),
        ("llama3_1", LLAMA, "adds text of its own"),
        ("llama3_2", LLAMA, "adds text of its own"),
        ("phi3", CHATML, "asks for an answer"),
    ],
)
def test_stock_templates_are_refused_by_what_they_do(build, name, special, says):
    tokenizer = build.byte_tokenizer(special, special[-1], stock(name))
    tokenizer.bos_token = special[1]
    with pytest.raises(TemplateError, match=f"(?s){says}") as refused:
        prove_template(tokenizer)
    assert "give the tokenizer a template that only concatenates" in str(refused.value)
