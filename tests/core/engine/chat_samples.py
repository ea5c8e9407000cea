"""Tokenizers made on the spot, and templates as checkpoints have them, written from their public formats."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

SPECIAL = {
    "chatml": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "own": ["<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
    "llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
}
PLAIN_TOKENS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Qwen and Llama 3 cut text into words, contractions left out."""

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA3_TRIMS = LLAMA3.replace("message['content']", "message['content'] | trim")
LLAMA31_DATES = LLAMA3.replace(
    "{{ bos_token }}",
    "{{ bos_token }}{% if messages[0]['role'] != 'system' %}{{ '<|start_header_id|>system<|end_header_id|>\n\nToday "
    "Date: 26 Jul 2024\n\n<|eot_id|>' }}{% endif %}",
)
QWEN3 = (
    # The thoughts of turns before the last question are dropped; a turn after it gets empty ones.
    "{% set ns = namespace(last=-1) %}{% for message in messages %}{% if message.role == 'user' and not "
    "message.content.startswith('<tool_response>') %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for message in messages %}{% set content = message.content %}{% if message.role == 'assistant' %}"
    "{% set thought = '' %}{% if '</think>' in content %}{% set thought = content.split('</think>')[0].split('<think>')"
    "[-1].strip('\n') %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{{ '<|im_start|>assistant\n' }}{% if loop.index0 > ns.last and (loop.last or thought) %}"
    "{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}{% else %}{{ content }}"
    "{% endif %}{{ '<|im_end|>\n' }}{% else %}{{ '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN3_DROPS = QWEN3.replace("(loop.last or thought)", "thought")
"""As above, without the empty thoughts."""
OWN_SYSTEM = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}" + CHATML
)
MISTRAL = (
    "{% for message in messages %}{% if message.role == 'user' %}{{ '[INST] ' + message.content + ' [/INST]' }}"
    "{% elif message.role == 'assistant' %}{{ ' ' + message.content + '<|im_end|>' }}{% else %}"
    "{{ raise_exception('no system message') }}{% endif %}{% endfor %}"
)
TRIMS_OWN = CHATML.replace(
    "message['content']", "(message.content | trim if message.role == 'assistant' else message.content)"
)
SIGNS = CHATML.replace("'<|im_end|>' + '\n'", "(' (bot)' if message.role == 'assistant' else '') + '<|im_end|>' + '\n'")
TEXT_ENDS = CHATML.replace("<|im_end|>", "</s>")


def build(family: str, template: str, *, ends_special: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the special tokens of a family."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = ["system\nuser\nassistant\n\n What is it? A table.\n\n"] * 20
    tokenizer.train_from_iterator(texts, BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    names = SPECIAL[family]
    tokenizer.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in names if ends_special])
    plain = [*PLAIN_TOKENS, *([] if ends_special else names)]
    tokenizer.add_tokens([AddedToken(one, special=False, normalized=False) for one in plain])
    end = names[-1]
    bos = {"bos_token": names[0]} if family == "llama3" else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token=names[0], chat_template=template, **bos
    )
