"""Keys and values of attention: with room to grow while decoding, and kept for conversations that go on."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):  # type: ignore[misc]  # the library is not seen by the type checker
    """One layer's keys and values, [batch, heads, tokens, width], in buffers that new tokens are written into.

    The library's own layer copies everything that was before at every token.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append tokens; gives all keys and values there are now."""
        if self._buffers is None:
            self.lazy_initialization(key_states, value_states)
            self._buffers = (self._empty(key_states), self._empty(value_states))
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        keys, values = self._buffers
        keys[:, :, start:end], values[:, :, start:end] = key_states, value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Let go of every other conversation of the batch."""
        if self._buffers is None:
            return
        end = self.get_seq_length()
        keys, values = (one.index_select(0, rows) for one in self._buffers)
        self._buffers = (keys, values)
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        batch, heads, _, width = like.shape
        return like.new_zeros(batch, heads, self._room, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one conversation's tokens came to: [layers, 2, heads, tokens, width]."""

    ids: tuple[int, ...]
    tensor: torch.Tensor

    def first(self, tokens: int) -> "Kept":
        return Kept(ids=self.ids[:tokens], tensor=self.tensor[:, :, :, :tokens])


def batch_of(rows: Sequence[Kept | None], layers: int, room: int) -> tuple[Cache, int]:
    """A cache for a batch, each conversation right-aligned, and how many tokens wide it is.

    Args:
        rows: what is known of each conversation; None or nothing for a new one.
        layers: of the model.
        room: tokens the batch may grow by.
    """
    width = max((len(row.ids) for row in rows if row is not None), default=0)
    cache = Cache(layers=[RoomyLayer(width + room) for _ in range(layers)])
    known = next((row.tensor for row in rows if row is not None and row.ids), None)
    if known is None:
        return cache, 0
    _, _, heads, _, size = known.shape
    padded = known.new_zeros(layers, 2, len(rows), heads, width, size)
    for at, row in enumerate(rows):
        if row is not None and row.ids:
            padded[:, :, at, :, width - len(row.ids) :] = row.tensor
    for layer, (keys, values) in zip(cache.layers, padded, strict=True):
        layer.update(keys, values)
    return cache, width


def row_of(cache: Cache, row: int, parts: Sequence[tuple[int, int]]) -> torch.Tensor:
    """A conversation's own share of a batch, as `Kept` has it; `parts` says between which columns it lies."""
    layers = [
        torch.stack([torch.cat([one[row, :, a:b] for a, b in parts], dim=1) for one in (layer.keys, layer.values)])
        for layer in cache.layers
    ]
    return torch.stack(layers)


class Conversations:
    """The conversations read last, up to a number of tokens. One that grows takes the place of its beginning."""

    def __init__(self, most_tokens: int) -> None:
        self._most = most_tokens
        self._kept: OrderedDict[tuple[int, ...], tuple[np.ndarray[Any, Any], Kept]] = OrderedDict()
        self._tokens = 0

    def beginning(self, ids: tuple[int, ...]) -> Kept | None:
        """The longest known beginning of a conversation, its last token never included: that one is to be read."""
        wanted = np.asarray(ids[:-1])
        best, length = None, 0
        for key, (array, kept) in self._kept.items():
            n = min(len(array), len(wanted))
            if n <= length:
                continue
            differs = np.flatnonzero(array[:n] != wanted[:n])
            common = int(differs[0]) if len(differs) else n
            if common > length:
                best, length = (key, kept), common
        if best is None:
            return None
        self._kept.move_to_end(best[0])
        return best[1].first(length)

    def keep(self, kept: Kept) -> None:
        """Remember a conversation; the ones unused for longest are forgotten for it."""
        if kept.ids in self._kept:
            return
        outgrown = [key for key in self._kept if key == kept.ids[: len(key)]]
        for key in outgrown:
            self._drop(key)
        self._kept[kept.ids] = (np.asarray(kept.ids), kept)
        self._tokens += len(kept.ids)
        while self._tokens > self._most and self._kept:
            self._drop(next(iter(self._kept)))

    def forget(self) -> None:
        """Forget everything: the weights have changed."""
        self._kept.clear()
        self._tokens = 0

    def _drop(self, key: tuple[int, ...]) -> None:
        del self._kept[key]
        self._tokens -= len(key)
