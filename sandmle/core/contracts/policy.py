"""A language model that can be trained in this process. A trainer knows it by these words only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from sandmle.core.contracts.llm import ChatModel, LlmProvider
from sandmle.core.types.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyShape:
    """Size of a decoder made from scratch."""

    layers: int = 3
    hidden: int = 128
    heads: int = 4
    key_value_heads: int = 2
    feed_forward: int = 384
    context_tokens: int = 4096
    vocabulary: int = 2048
    """Tokens at most: bytes, phrases and whole lines of the texts it is made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """A LoRA adapter on every projection and on the output head, without which little is learned."""

    rank: int = 32
    alpha: float = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedMessage:
    """A message as it stands in a conversation."""

    ids: tuple[int, ...]
    start: int
    """Where what its author writes begins."""
    end: int
    """Where it ends, the end of the turn included."""


@runtime_checkable
class TrainablePolicy(ChatModel, Protocol):
    """A token-exact model whose weights a trainer may change between replies."""

    @property
    def module(self) -> Any:
        """The `torch.nn.Module` that also generates; trainable are the parameters that require a gradient."""
        ...

    @property
    def context_tokens(self) -> int:
        """Tokens that fit."""
        ...

    @property
    def dtype(self) -> Literal["float32", "bfloat16"]:
        """What the module's forward passes and the generator compute in; log-probs are taken in float32."""
        ...

    @property
    def begin_ids(self) -> tuple[int, ...]:
        """What stands before a conversation's first message."""
        ...

    @property
    def unproven(self) -> str | None:
        """Why no mask can be proven under the checkpoint's own chat template; None when one can, or it has none."""
        ...

    def encode(self, message: Message) -> EncodedMessage:
        """A whole message as ids.

        For demonstrations only: the policy's own turns are never encoded.
        """
        ...

    def add_adapter(self, shape: AdapterShape, rng_seed: int) -> None:
        """Freeze the weights and put a new LoRA adapter on them, in float32; does nothing where there is one."""
        ...

    def train_all(self) -> None:
        """Make every weight trainable, in float32 whatever it was stored in."""
        ...

    def weights_changed(self) -> None:
        """Forget whatever was computed with the old weights, and give back its memory.

        To be called before an update, which needs the memory, and after it.
        """
        ...

    def save(self, path: Path, below: Path | None = None) -> None:
        """Write a directory that `open_model` opens: weights, tokenizer, adapter.

        Args:
            path: the directory, made if it is not there.
            below: a directory written earlier; frozen weights that are the same need not be written again.

        Raises:
            StoreError: it could not be written.
        """
        ...


class ChatCodec(Protocol):
    """Conversations as ids, in the tokens and the chat format of one checkpoint. Needs no weights."""

    @property
    def end_id(self) -> int:
        """The token that ends a turn."""
        ...

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The conversation, up to where the policy writes; its own turns are the ids that it sampled."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of sampled ids; special tokens have none."""
        ...


@runtime_checkable
class CodecProvider(LlmProvider, Protocol):
    """A provider that can write conversations as its models read them, without opening the weights.

    For engines that hold the weights elsewhere and take and give ids.
    """

    def open_codec(self, model: str) -> ChatCodec:
        """Read tokenizer and chat format of the checkpoint that `model` names, the whole string.

        Raises:
            ConfigError: there is no usable tokenizer or chat format; the message says why.
        """
        ...


@runtime_checkable
class PolicyProvider(LlmProvider, Protocol):
    """A provider whose models can be trained, and made."""

    def create_policy(self, texts: Sequence[str], shape: PolicyShape, rng_seed: int, path: Path) -> None:
        """Make a tokenizer from `texts` alone and a decoder with random weights; write both to `path`.

        Raises:
            StoreError: it could not be written.
        """
        ...
