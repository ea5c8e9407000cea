"""The forward pass that samples: Qwen3's blocks over plain tensors, adapters already added to the weights.

Sampling reads one token per conversation at a time, so the library's modules, and two more products per adapter,
would cost many times what the numbers themselves do. The trainer's own pass goes through the library; that both give
the same log-probs is what the exactness tests and the trainer's canary look at.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention, silu


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One layer's weights; those that read the same input are one matrix."""

    before_attention: torch.Tensor
    queries_keys_values: torch.Tensor
    query_norm: torch.Tensor
    key_norm: torch.Tensor
    out: torch.Tensor
    before_mlp: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class Decoder:
    """A copy of a policy's weights, as they are when it is made."""

    def __init__(self, module: Any) -> None:
        base = module.get_base_model() if hasattr(module, "get_base_model") else module
        config, backbone = base.config, base.model
        self._heads: int = config.num_attention_heads
        self._key_value_heads: int = config.num_key_value_heads
        self._size: int = config.head_dim
        self._epsilon: float = config.rms_norm_eps
        with torch.no_grad():
            self._embedding = backbone.embed_tokens.weight.detach()
            self._blocks = [_block(layer) for layer in backbone.layers]
            self._norm = backbone.norm.weight.detach()
            head = base.get_output_embeddings()
            self._head, self._head_bias = _weight(head), head.bias
        self._frequencies = backbone.rotary_emb.inv_freq
        self._scaling: float = backbone.rotary_emb.attention_scaling

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits after the last column, [batch, vocabulary]; `cache` grows by the columns read.

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
        for block, layer in zip(self._blocks, cache.layers, strict=True):
            hidden = hidden + self._attention(block, hidden, turned, mask, layer)
            gate, up = linear(self._normed(hidden, block.before_mlp), block.gate_up).chunk(2, dim=-1)
            hidden = hidden + linear(silu(gate) * up, block.down)
        return linear(self._normed(hidden[:, -1], self._norm), self._head, self._head_bias).float()

    def _attention(
        self,
        block: _Block,
        hidden: torch.Tensor,
        turned: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor,
        layer: Any,
    ) -> torch.Tensor:
        batch, columns, _ = hidden.shape
        counts = (self._heads, self._key_value_heads, self._key_value_heads)
        read = linear(self._normed(hidden, block.before_attention), block.queries_keys_values)
        read = read.view(batch, columns, sum(counts), self._size).transpose(1, 2)
        queries, keys, values = read.split(counts, dim=1)
        queries = _rotated(self._normed(queries, block.query_norm), turned)
        keys = _rotated(self._normed(keys, block.key_norm), turned)
        keys, values = layer.update(keys, values)
        grouped = self._heads != self._key_value_heads
        seen = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=grouped)
        return linear(seen.transpose(1, 2).reshape(batch, columns, -1), block.out)

    def _normed(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._epsilon)
        return weight * wide.to(x.dtype)


def _block(layer: Any) -> _Block:
    attention, mlp = layer.self_attn, layer.mlp
    reading = (attention.q_proj, attention.k_proj, attention.v_proj)
    return _Block(
        before_attention=layer.input_layernorm.weight.detach(),
        queries_keys_values=torch.cat([_weight(one) for one in reading]),
        query_norm=attention.q_norm.weight.detach(),
        key_norm=attention.k_norm.weight.detach(),
        out=_weight(attention.o_proj),
        before_mlp=layer.post_attention_layernorm.weight.detach(),
        gate_up=torch.cat([_weight(mlp.gate_proj), _weight(mlp.up_proj)]),
        down=_weight(mlp.down_proj),
    )


def _weight(projection: Any) -> torch.Tensor:
    """A projection's matrix, what its adapters add included."""
    weight: torch.Tensor = projection.weight.detach()
    for name in getattr(projection, "active_adapters", ()):
        added = projection.lora_B[name].weight.detach() @ projection.lora_A[name].weight.detach()
        weight = weight + projection.scaling[name] * added
    return weight


def _rotated(x: torch.Tensor, turned: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary positions: the two halves of a head's width are turned against each other."""
    cos, sin = turned
    first, second = x.chunk(2, dim=-1)
    return x * cos.to(x.dtype) + torch.cat((-second, first), dim=-1) * sin.to(x.dtype)
