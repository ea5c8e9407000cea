"""Keys and values of attention: with room to grow while decoding, and kept for conversations that go on."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


class Layer:
    """One layer's keys and values, [batch, heads, tokens, width], in buffers that new tokens are written into."""

    def __init__(self, room: int, block: int) -> None:
        self._room = -(-room // block) * block
        self._block = block
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None
        self._filled = 0

    @property
    def keys(self) -> torch.Tensor:
        return self._shown()[0]

    @property
    def values(self) -> torch.Tensor:
        return self._shown()[1]

    def begin(self, rows: int, filled: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Empty buffers for some rows of `like`, [heads, tokens, width], and some columns to be filled in."""
        heads, _, width = like.shape
        keys, values = (like.new_zeros(rows, heads, self._room, width) for _ in range(2))
        self._buffers, self._filled = (keys, values), filled
        return keys[:, :, :filled], values[:, :, :filled]

    def update(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append tokens; gives all keys and values there are now, up to the end of the block, which holds zeros."""
        if self._buffers is None:
            self.begin(len(keys), 0, keys[0])
        start, end = self._filled, self._filled + keys.shape[-2]
        all_keys, all_values = self._held()
        all_keys[:, :, start:end], all_values[:, :, start:end] = keys, values
        self._filled = end
        return self._shown()

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Let go of every other conversation of the batch."""
        if self._buffers is not None:
            keys, values = self._buffers
            self._buffers = (keys.index_select(0, rows), values.index_select(0, rows))

    def _held(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self._buffers is None:
            raise ValueError("nothing has been read yet")
        return self._buffers

    def _shown(self) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._held()
        end = -(-self._filled // self._block) * self._block
        return keys[:, :, :end], values[:, :, :end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one conversation's tokens came to: [layers, 2, heads, tokens, width]."""

    ids: tuple[int, ...]
    tensor: torch.Tensor

    def first(self, tokens: int) -> "Kept":
        return Kept(ids=self.ids[:tokens], tensor=self.tensor[:, :, :, :tokens])


def batch_of(rows: Sequence[Kept | None], layers: int, room: int, block: int) -> tuple[list[Layer], int]:
    """Layers for a batch, each conversation right-aligned, and how many tokens wide it is.

    Args:
        rows: what is known of each conversation; None or nothing for a new one.
        layers: of the model.
        room: tokens the batch may grow by.
        block: columns by which what is shown of a buffer grows.
    """
    width = max((len(row.ids) for row in rows if row is not None), default=0)
    cache = [Layer(width + room, block) for _ in range(layers)]
    known = next((row.tensor for row in rows if row is not None and row.ids), None)
    if known is None:
        return cache, 0
    for number, layer in enumerate(cache):
        keys, values = layer.begin(len(rows), width, known[number, 0])
        for at, row in enumerate(rows):
            if row is not None and row.ids:
                keys[at, :, width - len(row.ids) :] = row.tensor[number, 0]
                values[at, :, width - len(row.ids) :] = row.tensor[number, 1]
    return cache, width


def row_of(cache: Sequence[Layer], row: int, parts: Sequence[tuple[int, int]]) -> torch.Tensor:
    """A conversation's own share of a batch, as `Kept` has it; `parts` says between which columns it lies."""
    layers = [
        torch.stack([torch.cat([one[row, :, a:b] for a, b in parts], dim=1) for one in (layer.keys, layer.values)])
        for layer in cache
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
