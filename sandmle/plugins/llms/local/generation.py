"""Samples replies for a batch of conversations, token by token, with the log-prob of every token sampled.

Left padding, keys and values kept, no token excluded: the log-probs are those of the distribution that was
sampled, softmax(logits / temperature). Each reply's random numbers come from its own generator, seeded with
its sample index, so that its text does not depend on what it was batched with, except where two batches'
floating-point sums, which differ in their last bits, fall on different sides of a random number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from sandmle.plugins.llms.local.codec import Codec
from sandmle.plugins.llms.local.decoder import Decoder
from sandmle.plugins.llms.local.keys_values import Conversations, Kept, batch_of, row_of

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

    def __init__(self, module: Any, codec: Codec, cached_tokens: int) -> None:
        self.module = module
        self._codec = codec
        self._conversations = Conversations(cached_tokens)
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
            read = self._read(list(dict.fromkeys(one.prompt for one in requests)))
            batch = _Batch(self, requests, replies, [read[one.prompt] for one in requests])
            while batch.rows:
                batch.step()
        return replies

    def _read(self, prompts: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[Kept, torch.Tensor]]:
        """Each prompt's keys and values and the logits after it."""
        known = {prompt: self._conversations.beginning(prompt) for prompt in prompts}
        found: dict[tuple[int, ...], tuple[Kept, torch.Tensor]] = {}
        for chunk in _alike(prompts, lambda prompt: len(prompt) - _tokens(known[prompt])):
            found.update(self._read_chunk(chunk, [known[prompt] for prompt in chunk]))
        return found

    def _read_chunk(
        self, prompts: Sequence[tuple[int, ...]], known: Sequence[Kept | None]
    ) -> Iterator[tuple[tuple[int, ...], tuple[Kept, torch.Tensor]]]:
        before = [_tokens(one) for one in known]
        new = [len(prompt) - n for prompt, n in zip(prompts, before, strict=True)]
        span = max(new)
        cache, width = batch_of(known, self.module.config.num_hidden_layers, span)
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
        logits = self.forward(ids, mask, positions, cache)
        for at, (prompt, n, m) in enumerate(zip(prompts, before, new, strict=True)):
            tensor = row_of(cache, at, [(width - n, width), (width + span - m, width + span)])
            yield prompt, (Kept(ids=prompt, tensor=tensor), logits[at])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits after the last column, [batch, vocabulary]."""
        if self._decoder is None:
            self._decoder = Decoder(self.module)
        return self._decoder.forward(ids, mask, positions, cache)

    def finished(self, reply: Sampled, request: Request, token: int) -> bool:
        """Whether a reply is over with the token just sampled; if so, its text and reason are set."""
        if token == self._codec.end_id:
            reply.text, reply.finish_reason = self._codec.decode(reply.ids), "stop"
            return True
        if request.stop and self._stopped(reply, request.stop, token):
            return True
        if len(reply.ids) >= request.room:
            reply.text, reply.finish_reason = self._codec.decode(reply.ids), "length"
            return True
        return False

    def keep(self, kept: Kept) -> None:
        self._conversations.keep(kept)

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


class _Batch:
    """The replies still growing, one row each."""

    def __init__(
        self,
        owner: Generator,
        requests: Sequence[Request],
        replies: Sequence[Sampled],
        read: Sequence[tuple[Kept, torch.Tensor]],
    ) -> None:
        self._owner = owner
        self._requests = requests
        self._replies = replies
        self.rows = list(range(len(requests)))
        """Index of the request that each row of the cache belongs to."""
        room = max(one.room for one in requests)
        kept = [one for one, _ in read]
        self._cache, self._width = batch_of(kept, owner.module.config.num_hidden_layers, room)
        self._starts = [self._width - len(one.ids) for one in kept]
        """First column of each request's own tokens."""
        self._logits = torch.stack([logits for _, logits in read])
        self._mask = torch.ones(len(requests), 1, 1, self._width + room, dtype=torch.bool)
        for row, start in enumerate(self._starts):
            self._mask[row, :, :, :start] = False
        self._positions = torch.tensor([len(one.ids) for one in kept])
        self._draws = torch.stack([_draws(one.sample_index, room) for one in requests]).to(self._logits.device)
        self._temperature = torch.tensor([one.temperature for one in requests], device=self._logits.device)
        self._steps = 0

    def step(self) -> None:
        """Sample one token per row, let go of finished rows, and read the tokens of the others."""
        tokens, log_probs = _sample(self._logits, self._temperature, self._draws[:, self._steps])
        going = []
        for at, (row, token, log_prob) in enumerate(zip(self.rows, tokens.tolist(), log_probs.tolist(), strict=True)):
            reply, request = self._replies[row], self._requests[row]
            reply.ids.append(token)
            reply.log_probs.append(log_prob)
            if self._owner.finished(reply, request, token):
                self._remember(at, row)
            else:
                going.append(at)
        if len(going) < len(self.rows):
            tokens = tokens[torch.tensor(going, dtype=torch.long, device=tokens.device)]
            self._narrow(going)
        if self.rows:
            columns = self._width + self._steps + 1
            self._logits = self._owner.forward(
                tokens[:, None], self._mask[..., :columns], (self._positions + self._steps)[:, None], self._cache
            )
        self._steps += 1

    def _remember(self, at: int, row: int) -> None:
        """The last token sampled was never read, so it is not part of what is kept."""
        ids = (*self._requests[row].prompt, *self._replies[row].ids[:-1])
        tensor = row_of(self._cache, at, [(self._starts[row], self._width + self._steps)])
        self._owner.keep(Kept(ids=ids, tensor=tensor))

    def _narrow(self, going: Sequence[int]) -> None:
        keep = torch.tensor(going, dtype=torch.long)
        self.rows = [self.rows[at] for at in going]
        self._mask, self._positions = self._mask[keep], self._positions[keep]
        keep = keep.to(self._logits.device)
        self._draws, self._temperature = self._draws[keep], self._temperature[keep]
        for layer in self._cache.layers:
            layer.keep_rows(keep)


def _sample(logits: torch.Tensor, temperature: torch.Tensor, draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and their log-probs. At temperature 0 the likeliest token, whose log-prob is then 0."""
    greedy = temperature == 0
    scaled = logits / torch.where(greedy, torch.ones_like(temperature), temperature)[:, None]
    log_probs = torch.log_softmax(scaled, dim=-1)
    if not bool(torch.isfinite(log_probs.max(dim=-1).values).all()):
        raise ValueError("the policy's weights give no finite probabilities")
    cumulative = log_probs.double().exp().cumsum(dim=-1)
    chosen = (cumulative < (draws * cumulative[:, -1])[:, None]).sum(dim=-1).clamp(max=logits.shape[-1] - 1)
    chosen = torch.where(greedy, logits.argmax(dim=-1), chosen)
    picked = log_probs.gather(-1, chosen[:, None])[:, 0]
    return chosen, torch.where(greedy, torch.zeros_like(picked), picked)


def _draws(sample_index: int, count: int) -> torch.Tensor:
    """Uniform numbers of one reply; the first ones do not depend on how many are drawn."""
    generator = torch.Generator().manual_seed(sample_index)
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _tokens(kept: Kept | None) -> int:
    return 0 if kept is None else len(kept.ids)


def _alike(prompts: Sequence[tuple[int, ...]], length: Any) -> Iterator[list[tuple[int, ...]]]:
    """The prompts in chunks of similar length, so that padding does not cost more than reading."""
    chunk: list[tuple[int, ...]] = []
    total = 0
    for prompt in sorted(prompts, key=lambda one: (length(one), one), reverse=True):
        longest = length(chunk[0]) if chunk else length(prompt)
        if chunk and longest * (len(chunk) + 1) > WASTE * (total + length(prompt)):
            yield chunk
            chunk, total = [], 0
        chunk.append(prompt)
        total += length(prompt)
    if chunk:
        yield chunk
