"""The forward pass that samples: the blocks of Qwen and Llama over plain tensors.

Sampling reads one token per conversation at a time, so the library's modules, and two more products per adapter,
would cost many times what the numbers themselves do. The trainer's own pass goes through the library; that both give
the same log-probs is what the exactness tests and the trainer's canary look at.

In float32 adapters are added to the weights. In bfloat16 they stay apart, as they do in the trainer's pass: added to a
weight, most of what an adapter has learned is less than half the distance to the next number, and would be lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear, pad, scaled_dot_product_attention, silu

from sandmle.plugins.llms.local.keys_values import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Projection:
    """A matrix, or several that read the same input, with what is added to it."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    down: torch.Tensor | None
    """[ranks, in], where adapters stay apart."""
    up: torch.Tensor | None
    """[out, ranks], times the adapters' scales."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.to(self.weight.dtype)
        read = linear(x, self.weight, self.bias)
        return read if self.down is None or self.up is None else read + linear(linear(x, self.down), self.up)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One layer's weights."""

    before_attention: torch.Tensor
    queries_keys_values: _Projection
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    out: _Projection
    before_mlp: torch.Tensor
    gate_up: _Projection
    down: _Projection


class Decoder:
    """A copy of a policy's weights, as they are when it is made.

    Args:
        module: of one of the architectures that `checkpoint.load` accepts, an adapter on it or not.
        dtype: what products are computed in.
    """

    def __init__(self, module: Any, dtype: torch.dtype) -> None:
        base = module.get_base_model() if hasattr(module, "get_base_model") else module
        config, backbone = base.config, base.model
        self._heads: int = config.num_attention_heads
        self._key_value_heads: int = config.num_key_value_heads
        self._size: int = backbone.layers[0].self_attn.head_dim
        self._epsilon: float = config.rms_norm_eps
        self._dtype = dtype
        with torch.no_grad():
            self._embedding = backbone.embed_tokens.weight.detach()
            self._blocks = [_block(layer, dtype) for layer in backbone.layers]
            self._norm = backbone.norm.weight.detach()
            self._head = _projection([base.get_output_embeddings()], dtype)
        self._frequencies = backbone.rotary_emb.inv_freq
        self._scaling: float = backbone.rotary_emb.attention_scaling
        self._fused = dtype is torch.float32 and self._embedding.device.type == "cpu"
        """The library's grouped attention under a mask is fast there, and nowhere else."""

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Sequence[Layer]
    ) -> torch.Tensor:
        """Logits after the last column, [batch, vocabulary], float32; `cache` grows by the columns read.

        Args:
            ids: [batch, columns].
            mask: [batch, 1, columns, columns before and these], True where a token is seen.
            positions: [batch, columns], of each token in its own conversation.
            cache: keys and values of the columns before.
        """
        device = self._embedding.device
        mask = mask.to(device)
        angles = positions.to(device)[..., None].float() * self._frequencies
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        turned = angles.cos() * self._scaling, angles.sin() * self._scaling
        hidden = self._embedding[ids.to(device)]
        seen = mask
        for block, layer in zip(self._blocks, cache, strict=True):
            queries, keys, values = self._read(block, hidden, turned)
            keys, values = layer.update(keys, values)
            if not self._fused and seen is mask:
                seen = _bias(mask, keys.shape[2], keys.dtype)
            hidden = hidden + block.out(self._attend(queries, keys, values, seen))
            gate, up = block.gate_up(self._normed(hidden, block.before_mlp)).chunk(2, dim=-1)
            hidden = hidden + block.down(silu(gate) * up)
        return self._head(self._normed(hidden[:, -1], self._norm)).float()

    def _read(
        self, block: _Block, hidden: torch.Tensor, turned: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch, columns, _ = hidden.shape
        counts = (self._heads, self._key_value_heads, self._key_value_heads)
        read = block.queries_keys_values(self._normed(hidden, block.before_attention))
        read = read.view(batch, columns, sum(counts), self._size).transpose(1, 2)
        queries, keys, values = read.split(counts, dim=1)
        if block.query_norm is not None and block.key_norm is not None:
            queries, keys = self._normed(queries, block.query_norm), self._normed(keys, block.key_norm)
        # Rotated in the type of what flows from block to block, as the library does.
        queries, keys = (_rotated(one, turned, hidden.dtype).to(self._dtype) for one in (queries, keys))
        return queries, keys, values

    def _attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        """What the heads saw, [batch, columns, heads * width]."""
        batch, heads, columns, width = queries.shape
        groups = heads // keys.shape[1]
        if self._fused:
            found = scaled_dot_product_attention(queries, keys, values, attn_mask=seen, enable_gqa=groups > 1)
        elif columns == 1:
            # Heads that share keys are so many queries of one head: nothing has to be repeated for them.
            folded = queries.reshape(batch, heads // groups, groups, width)
            found = scaled_dot_product_attention(folded, keys, values, attn_mask=seen)
            found = found.reshape(batch, heads, 1, width)
        else:
            keys, values = (one.repeat_interleave(groups, dim=1) for one in (keys, values))
            found = scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
        return found.transpose(1, 2).reshape(batch, columns, -1)

    def _normed(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._epsilon)
        return weight * wide.to(x.dtype)


def _block(layer: Any, dtype: torch.dtype) -> _Block:
    attention, mlp = layer.self_attn, layer.mlp
    norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
    query_norm, key_norm = (None if one is None else one.weight.detach() for one in norms)
    return _Block(
        before_attention=layer.input_layernorm.weight.detach(),
        queries_keys_values=_projection((attention.q_proj, attention.k_proj, attention.v_proj), dtype),
        query_norm=query_norm,
        key_norm=key_norm,
        out=_projection([attention.o_proj], dtype),
        before_mlp=layer.post_attention_layernorm.weight.detach(),
        gate_up=_projection((mlp.gate_proj, mlp.up_proj), dtype),
        down=_projection([mlp.down_proj], dtype),
    )


def _projection(parts: Sequence[Any], dtype: torch.dtype) -> _Projection:
    merged = dtype is torch.float32
    weights = [_weight(one) if merged else one.weight.detach().to(dtype) for one in parts]
    biases = [one.bias for one in parts if one.bias is not None]
    downs, ups = ([], []) if merged else _adapters(parts)
    return _Projection(
        weight=torch.cat(weights) if len(weights) > 1 else weights[0],
        bias=torch.cat([one.detach().to(dtype) for one in biases]) if biases else None,
        down=torch.cat(downs).to(dtype) if downs else None,
        up=torch.block_diag(*ups).to(dtype) if ups else None,
    )


def _weight(projection: Any) -> torch.Tensor:
    """A projection's matrix, what its adapters add included."""
    weight: torch.Tensor = projection.weight.detach()
    for name in getattr(projection, "active_adapters", ()):
        added = projection.lora_B[name].weight.detach() @ projection.lora_A[name].weight.detach()
        weight = weight + projection.scaling[name] * added
    return weight


def _adapters(parts: Sequence[Any]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Of each part, all its adapters' first matrices, and all their second ones beside one another."""
    downs, ups = [], []
    for one in parts:
        names = list(getattr(one, "active_adapters", ()))
        if names:
            downs += [one.lora_A[name].weight.detach() for name in names]
            ups.append(torch.cat([one.lora_B[name].weight.detach() * one.scaling[name] for name in names], dim=1))
        else:
            # Nothing is added to this part's outputs, which stand between those of the others.
            ups.append(one.weight.new_zeros(one.weight.shape[0], 0))
    return (downs, ups) if downs else ([], [])


def _rotated(x: torch.Tensor, turned: tuple[torch.Tensor, torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    """Rotary positions: the two halves of a head's width are turned against each other."""
    cos, sin = turned
    first, second = x.chunk(2, dim=-1)
    return x * cos.to(dtype) + torch.cat((-second, first), dim=-1) * sin.to(dtype)


def _bias(mask: torch.Tensor, columns: int, dtype: torch.dtype) -> torch.Tensor:
    """A mask as what is added to attention's scores, once for all layers; columns beyond it are not seen."""
    mask = pad(mask, (0, columns - mask.shape[-1]))
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))
