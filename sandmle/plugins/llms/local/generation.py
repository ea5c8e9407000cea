"""Samples replies for a batch of conversations, token by token, with the log-prob of every token sampled.

Left padding, keys and values kept, no token excluded: the log-probs are those of the distribution that was
sampled, softmax(logits / temperature). Each reply's random numbers come from its own generator, seeded with
its sample index, so that its text does not depend on what it was batched with, except where two batches'
floating-point sums, which differ in their last bits, fall on different sides of a random number.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from sandmle.plugins.llms.local.codec import Codec
from sandmle.plugins.llms.local.decoder import Decoder
from sandmle.plugins.llms.local.growing import Growing
from sandmle.plugins.llms.local.keys_values import Conversations, Kept, batch_of, row_of
from sandmle.plugins.llms.local.pacing import Pace

STOP_TAIL: Final = 48
"""Tokens at the end of a reply in which a stop string is looked for."""
WASTE: Final = 2.0
"""Conversations are read together as long as padding makes it at most this many times their own tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One reply to be sampled."""

    prompt: tuple[int, ...]
    room: int
    """Tokens at most; at least 1."""
    temperature: float
    sample_index: int
    stop: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Sampled:
    """One reply, growing."""

    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""
    """Empty while it grows; then `stop` or `length`."""


class Generator:
    """Samples from one module. Not to be called from two threads at once."""

    def __init__(self, module: Any, codec: Codec, dtype: torch.dtype, pace: Pace) -> None:
        self.module = module
        self._codec = codec
        self._dtype = dtype
        self._pace = pace
        self._conversations = Conversations(pace.kept_tokens)
        self._decoder: Decoder | None = None

    def forget(self) -> None:
        """Forget what was computed with weights that have changed since."""
        self._conversations.forget()
        self._decoder = None

    def generate(self, requests: Sequence[Request]) -> list[Sampled]:
        """One reply per request, in order.

        Raises:
            ValueError: the weights give no finite probabilities.
        """
        replies = [Sampled() for _ in requests]
        with torch.inference_mode():
            for part in _fitting(requests, self._pace.batch_tokens):
                self._answer([requests[at] for at in part], [replies[at] for at in part])
        return replies

    def _answer(self, requests: Sequence[Request], replies: Sequence[Sampled]) -> None:
        read = self._read(list(dict.fromkeys(one.prompt for one in requests)))
        known = [read[one.prompt] for one in requests]
        room = max(one.room for one in requests)
        kept = [one for one, _ in known]
        layers, width = batch_of(kept, self._layers, room, self._pace.block)
        growing = Growing(
            self._forward,
            layers,
            width,
            room,
            starts=[width - len(one.ids) for one in kept],
            logits=torch.stack([logits for _, logits in known]),
            temperatures=[one.temperature for one in requests],
            sample_indexes=[one.sample_index for one in requests],
        )
        while growing.rows:
            left = max(
                requests[row].room - len(replies[row].ids) for row in growing.rows if not replies[row].finish_reason
            )
            self._advance(growing, min(left, self._pace.look_every), requests, replies)

    def _advance(self, growing: Growing, count: int, requests: Sequence[Request], replies: Sequence[Sampled]) -> None:
        """Sample some tokens of every row, and let go of the rows whose replies are over."""
        going = []
        for at, (row, tokens, log_probs) in enumerate(growing.sample(count)):
            request, reply = requests[row], replies[row]
            if not reply.finish_reason:
                self._take(reply, request, tokens, log_probs)
                if reply.finish_reason:
                    # The last token sampled was never read, so it is not part of what is kept.
                    ids = (*request.prompt, *reply.ids[:-1])
                    self._conversations.keep(Kept(ids=ids, tensor=growing.row(at, len(reply.ids) - 1)))
            if not reply.finish_reason:
                going.append(at)
        growing.go_on(going, self._pace.narrow_below)

    def _take(self, reply: Sampled, request: Request, tokens: Sequence[int], log_probs: Sequence[float]) -> None:
        """Add tokens up to the one that ends the reply."""
        for token, log_prob in zip(tokens, log_probs, strict=True):
            reply.ids.append(token)
            reply.log_probs.append(log_prob)
            if self._finished(reply, request, token):
                return

    def _read(self, prompts: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[Kept, torch.Tensor]]:
        """Each prompt's keys and values and the logits after it."""
        known = {prompt: self._conversations.beginning(prompt) for prompt in prompts}
        found: dict[tuple[int, ...], tuple[Kept, torch.Tensor]] = {}
        for chunk in _alike(prompts, lambda prompt: len(prompt) - _tokens(known[prompt]), self._pace.read_tokens):
            found.update(self._read_chunk(chunk, [known[prompt] for prompt in chunk]))
        return found

    def _read_chunk(
        self, prompts: Sequence[tuple[int, ...]], known: Sequence[Kept | None]
    ) -> Iterator[tuple[tuple[int, ...], tuple[Kept, torch.Tensor]]]:
        before = [_tokens(one) for one in known]
        new = [len(prompt) - n for prompt, n in zip(prompts, before, strict=True)]
        span = max(new)
        cache, width = batch_of(known, self._layers, span, self._pace.block)
        ids = torch.zeros(len(prompts), span, dtype=torch.long)
        positions = torch.zeros(len(prompts), span, dtype=torch.long)
        mask = torch.zeros(len(prompts), 1, span, width + span, dtype=torch.bool)
        causal = torch.ones(span, span, dtype=torch.bool).tril()
        for at, (prompt, n, m) in enumerate(zip(prompts, before, new, strict=True)):
            ids[at, span - m :] = torch.tensor(prompt[n:])
            positions[at, span - m :] = torch.arange(n, n + m)
            mask[at, 0, :, width - n : width] = True
            mask[at, 0, :, width + span - m :] = causal[:, span - m :]
        # Padding sees itself: a token that sees nothing becomes NaN, which spreads even where it is masked.
        mask[:, 0, :, width:] |= torch.eye(span, dtype=torch.bool)
        logits = self._forward(ids, mask, positions, cache)
        for at, (prompt, n, m) in enumerate(zip(prompts, before, new, strict=True)):
            tensor = row_of(cache, at, [(width - n, width), (width + span - m, width + span)])
            yield prompt, (Kept(ids=prompt, tensor=tensor), logits[at])

    @property
    def _layers(self) -> int:
        layers: int = self.module.config.num_hidden_layers
        return layers

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits after the last column, [batch, vocabulary]."""
        if self._decoder is None:
            self._decoder = Decoder(self.module, self._dtype)
        return self._decoder.forward(ids, mask, positions, cache)

    def _finished(self, reply: Sampled, request: Request, token: int) -> bool:
        """Whether a reply is over with the token just sampled; if so, its text and reason are set."""
        if token in self._codec.end_ids:
            reply.text, reply.finish_reason = self._codec.decode(reply.ids), "stop"
            return True
        if request.stop and self._stopped(reply, request.stop, token):
            return True
        if len(reply.ids) >= request.room:
            reply.text, reply.finish_reason = self._codec.decode(reply.ids), "length"
            return True
        return False

    def _stopped(self, reply: Sampled, stops: tuple[str, ...], token: int) -> bool:
        # Only a token that holds a stop string's last character can complete it.
        piece = self._codec.decode([token])
        if not any(stop[-1] in piece for stop in stops):
            return False
        if not any(stop in self._codec.decode(reply.ids[-STOP_TAIL:]) for stop in stops):
            return False
        text = self._codec.decode(reply.ids)
        found = [text.find(stop) for stop in stops if stop in text]
        reply.text, reply.finish_reason = text[: min(found)], "stop"
        return True


def _tokens(kept: Kept | None) -> int:
    return 0 if kept is None else len(kept.ids)


def _fitting(requests: Sequence[Request], most_tokens: int | None) -> Iterator[list[int]]:
    """Indexes of requests whose conversations fit together, each as long as the longest of them may become."""
    if most_tokens is None:
        yield list(range(len(requests)))
        return
    part: list[int] = []
    prompt = room = 0
    for at in sorted(range(len(requests)), key=lambda at: len(requests[at].prompt)):
        longest, widest = max(prompt, len(requests[at].prompt)), max(room, requests[at].room)
        if part and (longest + widest) * (len(part) + 1) > most_tokens:
            yield part
            part, longest, widest = [], len(requests[at].prompt), requests[at].room
        part.append(at)
        prompt, room = longest, widest
    if part:
        yield part


def _alike(
    prompts: Sequence[tuple[int, ...]], length: Callable[[tuple[int, ...]], int], most_tokens: int | None
) -> Iterator[list[tuple[int, ...]]]:
    """The prompts in chunks of similar length, so that padding does not cost more than reading."""
    chunk: list[tuple[int, ...]] = []
    total = 0
    for prompt in sorted(prompts, key=lambda one: (length(one), one), reverse=True):
        longest = length(chunk[0]) if chunk else length(prompt)
        padded = longest * (len(chunk) + 1)
        if chunk and (padded > WASTE * (total + length(prompt)) or (most_tokens and padded > most_tokens)):
            yield chunk
            chunk, total = [], 0
        chunk.append(prompt)
        total += length(prompt)
    if chunk:
        yield chunk
