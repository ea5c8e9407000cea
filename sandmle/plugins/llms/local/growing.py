"""The replies of one batch while they grow, one row each, on the device; nothing here knows what a reply says."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from sandmle.plugins.llms.local.keys_values import Layer, row_of

Forward = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Any], torch.Tensor]


class Growing:
    """Samples the same number of tokens for every row.

    Args:
        forward: reads tokens and gives the logits after them.
        layers: keys and values of the prompts, right-aligned, with room for the replies.
        width: columns of the prompts.
        room: tokens of the longest reply.
        starts: first column of each row's own tokens.
        logits: after each prompt, [rows, vocabulary].
        temperatures: of each row.
        sample_indexes: of each row; its random numbers depend on nothing else.
    """

    def __init__(
        self,
        forward: Forward,
        layers: Sequence[Layer],
        width: int,
        room: int,
        *,
        starts: Sequence[int],
        logits: torch.Tensor,
        temperatures: Sequence[float],
        sample_indexes: Sequence[int],
    ) -> None:
        device = logits.device
        self._forward = forward
        self._layers = layers
        self._width = width
        self._starts = list(starts)
        self._logits = logits
        mask = torch.ones(len(starts), 1, 1, width + room, dtype=torch.bool)
        for row, start in enumerate(starts):
            mask[row, :, :, :start] = False
        self._mask = mask.to(device)
        self._positions = torch.tensor([width - start for start in starts]).to(device)
        self._draws = torch.stack([_draws(index, room) for index in sample_indexes]).to(device)
        self._temperature = torch.tensor(temperatures, device=device)
        self._steps = 0
        self._unread: torch.Tensor | None = None
        """[rows]: tokens sampled last."""
        self.rows = list(range(len(starts)))
        """Index of the request that each row belongs to; rows that are over may be among them."""

    def sample(self, count: int) -> Iterator[tuple[int, list[int], list[float]]]:
        """Each row's request, next tokens and their log-probs.

        Raises:
            ValueError: the weights give no finite probabilities.
        """
        chosen, picked, sound = [], [], []
        for _ in range(count):
            if self._unread is not None:
                self._read(self._unread)
            tokens, log_probs, finite = _sample(self._logits, self._temperature, self._draws[:, self._steps])
            self._unread = tokens
            self._steps += 1
            chosen.append(tokens)
            picked.append(log_probs)
            sound.append(finite)
        # The only place where the host waits for the device.
        if not bool(torch.stack(sound).all()):
            raise ValueError("the policy's weights give no finite probabilities")
        return zip(self.rows, torch.stack(chosen, 1).tolist(), torch.stack(picked, 1).tolist(), strict=True)

    def row(self, at: int, tokens: int) -> torch.Tensor:
        """Keys and values of a row's prompt and of the first tokens of its reply, as `Kept` has them."""
        return row_of(self._layers, at, [(self._starts[self.rows[at]], self._width + tokens)])

    def go_on(self, going: Sequence[int], narrow_below: float) -> None:
        """Let go of all rows but these, once they are no more than a share of those that are held."""
        if len(going) == len(self.rows) or len(going) > narrow_below * len(self.rows):
            return
        keep = torch.tensor(going, dtype=torch.long, device=self._logits.device)
        self.rows = [self.rows[at] for at in going]
        self._mask, self._positions = self._mask[keep], self._positions[keep]
        self._draws, self._temperature = self._draws[keep], self._temperature[keep]
        if self._unread is not None:
            self._unread = self._unread[keep]
        if going:
            for layer in self._layers:
                layer.keep_rows(keep)

    def _read(self, tokens: torch.Tensor) -> None:
        columns, before = self._width + self._steps, self._steps - 1
        self._logits = self._forward(
            tokens[:, None], self._mask[..., :columns], (self._positions + before)[:, None], self._layers
        )


def _sample(
    logits: torch.Tensor, temperature: torch.Tensor, draws: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, their log-probs, and whether all is finite. At temperature 0 the likeliest token, with log-prob 0."""
    greedy = temperature == 0
    scaled = logits / torch.where(greedy, torch.ones_like(temperature), temperature)[:, None]
    log_probs = torch.log_softmax(scaled, dim=-1)
    finite = torch.isfinite(log_probs.max(dim=-1).values).all()
    cumulative = log_probs.double().exp().cumsum(dim=-1)
    chosen = (cumulative < (draws * cumulative[:, -1])[:, None]).sum(dim=-1).clamp(max=logits.shape[-1] - 1)
    chosen = torch.where(greedy, logits.argmax(dim=-1), chosen)
    picked = log_probs.gather(-1, chosen[:, None])[:, 0]
    return chosen, torch.where(greedy, torch.zeros_like(picked), picked), finite


def _draws(sample_index: int, count: int) -> torch.Tensor:
    """Uniform numbers of one reply; the first ones do not depend on how many are drawn."""
    generator = torch.Generator().manual_seed(sample_index)
    return torch.rand(count, generator=generator, dtype=torch.float64)
