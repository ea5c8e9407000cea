"""Stage `policy`: a Qwen3-shaped decoder with random weights, and a tokenizer made from the demonstrations."""

import time

import torch
from plan import Plan, Shape, begin
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from sandmle.core.engine.store import read_episodes
from sandmle.core.types.chat_format import ChatFormat
from sandmle.plugins.llms.local.checkpoint import INIT_GAIN
from sandmle.plugins.llms.local.tokenizer import SPECIAL_TOKENS, build_tokenizer
from sandmle.plugins.trainers.local.demonstrations import texts_by_task

CONTEXT = 4096
RNG_SEED = 7


def make_module(plan: Plan, tokenizer: Tokenizer) -> Qwen3ForCausalLM:
    """Weights in float32, as training them wants them."""
    shape: Shape = plan.shape
    config = Qwen3Config(
        vocab_size=shape.rows,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_width,
        max_position_embeddings=CONTEXT,
        initializer_range=INIT_GAIN / shape.hidden**0.5,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.token_to_id(SPECIAL_TOKENS[0]),
        eos_token_id=tokenizer.token_to_id(ChatFormat().end),
        bos_token_id=None,
    )
    torch.manual_seed(RNG_SEED)
    with torch.device(plan.device):
        return Qwen3ForCausalLM(config).eval()


def main() -> None:
    plan, findings, _ = begin()
    began = time.monotonic()
    texts = texts_by_task(read_episodes(plan.demonstrations))
    tokenizer = build_tokenizer(texts, plan.shape.vocabulary)
    tokenized = time.monotonic()
    module = make_module(plan, tokenizer)
    path = plan.heavy / "policy"
    module.save_pretrained(path)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=SPECIAL_TOKENS[0], eos_token=ChatFormat().end
    ).save_pretrained(path)
    (path / "chat_format.json").write_text(ChatFormat().model_dump_json(indent=1), "utf-8")
    parameters = sum(one.numel() for one in module.parameters())
    embedding = module.get_input_embeddings().weight.numel()
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    findings.facts(parameters=parameters, embedding=embedding, tokens=size, tokenizer_s=tokenized - began)
    shape = plan.shape
    findings.row(
        "policy, random weights",
        f"{parameters / 1e6:,.1f} M parameters ({embedding / 1e6:,.1f} M embedding, tied), {shape.layers} layers of "
        f"{shape.hidden}, {shape.heads}/{shape.key_value_heads} heads of {shape.head_width}; {size:,} tokens made here",
    )
    findings.finish()


if __name__ == "__main__":
    main()
