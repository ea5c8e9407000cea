"""Makes a tokenizer from texts alone: frequent lines and phrases whole, everything else down to bytes.

Text in, ids out and back is exact for any text. No text can spell a role or the end of a turn.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

SPECIAL_TOKENS: Final = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
PHRASE: Final = r"\d|[^\d\n]*?(?:, |: |\. |\(|=|\n)|[^\d\n]+"
"""A digit; a run of characters up to a comma, colon, full stop, bracket, equals sign or line end; what is left."""

BYTES: Final = 256
SHORTEST_LINE: Final = 12
"""Shorter lines stay phrases: as whole tokens they would be found inside of others."""
LEAST_OFTEN: Final = 3
"""Texts in which a line or phrase must occur to become a token of its own."""


def build_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary` tokens: a third each for lines, phrases and byte-pair merges.

    Raises:
        ValueError: `vocabulary` has no room for the bytes.
    """
    room = vocabulary - BYTES - len(SPECIAL_TOKENS)
    if room < 0:
        raise ValueError(f"a vocabulary of {vocabulary} has no room for {BYTES} bytes and the special tokens")
    share = room // 3
    lines = _frequent(_lines(texts), share)
    phrases = _frequent(_phrases(texts), share)
    base = _trained(texts, vocabulary - len(lines) - len(phrases))
    tokenizer = _with_phrases(base, phrases)
    # Not part of the merges' vocabulary, where a text that spells them would find them.
    tokenizer.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(one, normalized=False) for one in lines])
    return tokenizer


def _lines(texts: Iterable[str]) -> Iterable[str]:
    """Long lines, once per text."""
    for text in texts:
        yield from {line for line in text.splitlines(keepends=True) if len(line) >= SHORTEST_LINE}


def _phrases(texts: Iterable[str]) -> Iterable[str]:
    """Phrases as the merges see them, once per text."""
    splitter = _pre_tokenizer()
    for text in texts:
        yield from {piece for piece, _ in splitter.pre_tokenize_str(text)}


def _frequent(pieces: Iterable[str], most: int) -> list[str]:
    """Those that save the most tokens, in an order that depends on nothing but the texts."""
    counts = Counter(pieces)
    known = [(piece, count) for piece, count in counts.items() if count >= LEAST_OFTEN and len(piece) > 1]
    known.sort(key=lambda one: (-one[1] * len(one[0]), one[0]))
    return [piece for piece, _ in known[:most]]


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    pieces = pre_tokenizers.Split(Regex(PHRASE), behavior="isolated")
    return pre_tokenizers.Sequence([pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _trained(texts: Sequence[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer()
    trainer = BpeTrainer(
        vocab_size=max(size - len(SPECIAL_TOKENS), BYTES),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _with_phrases(base: Tokenizer, phrases: Sequence[str]) -> Tokenizer:
    """The same merges, with phrases that are taken whole wherever they stand as a piece of their own."""
    vocabulary = dict(base.get_vocab())
    for phrase in phrases:
        vocabulary.setdefault(phrase, len(vocabulary))
    merges = [tuple(one) for one in _merges(base)]
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _merges(tokenizer: Tokenizer) -> Iterable[Sequence[str]]:
    found: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return found
