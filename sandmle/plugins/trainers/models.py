"""Where a policy lies, and how large it is: parameters, bytes and operations, from its shape alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import ConfigError

BF16_BYTES: Final = 2
CONFIG: Final = "config.json"
ADAPTER_CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = (".safetensors", ".bin")
PLACES: Final = (".", "policy", "best", "last")
"""Where the result of a training lies in its output directory: of OpenRLHF, then of the local trainer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The shape of a Qwen3-like decoder, dense or with experts."""

    name: str
    layers: int
    hidden: int
    heads: int
    key_value_heads: int
    head_size: int
    feed_forward: int
    """Of one expert, where there are any."""
    vocabulary: int
    context_tokens: int
    experts: int = 0
    experts_used: int = 0
    """Per token."""
    tied: bool = False
    """The output head shares the embedding's weights."""

    @property
    def parameters(self) -> int:
        """All weights: embeddings, attention with its norms, feed-forward, head."""
        mlp = 3 * self.hidden * self.feed_forward
        return self._shared() + self.layers * (max(1, self.experts) * mlp + self.hidden * self.experts)

    @property
    def active_parameters(self) -> int:
        """Weights that one token passes through, the embedding's table left out: it is looked up, not multiplied."""
        mlp = 3 * self.hidden * self.feed_forward
        passed = self.layers * (max(1, self.experts_used) * mlp + self.hidden * self.experts)
        return self._shared() - (0 if self.tied else self.vocabulary * self.hidden) + passed

    @property
    def cache_bytes(self) -> int:
        """Keys and values of one token in bf16."""
        return 2 * self.layers * self.key_value_heads * self.head_size * BF16_BYTES

    def adapter_parameters(self, rank: int, targets: tuple[str, ...]) -> int:
        """Weights of a LoRA adapter of this rank, the experts' projections left out: no adapter reaches them."""
        wide, narrow = self.heads * self.head_size, self.key_value_heads * self.head_size
        sizes = {
            "q_proj": self.hidden + wide,
            "k_proj": self.hidden + narrow,
            "v_proj": self.hidden + narrow,
            "o_proj": self.hidden + wide,
        }
        if not self.experts:
            sizes |= dict.fromkeys(("gate_proj", "up_proj", "down_proj"), self.hidden + self.feed_forward)
        per_layer = sum(sizes.get(target, 0) for target in targets)
        head = self.hidden + self.vocabulary if "lm_head" in targets else 0
        return rank * (self.layers * per_layer + head)

    def attention_flops(self, tokens: float) -> float:
        """Of one token in a forward pass, at the mean position of a sequence of `tokens`: scores and values."""
        return 4 * self.layers * self.heads * self.head_size * tokens / 2

    def _shared(self) -> int:
        attention = self.hidden * self.head_size * 2 * (self.heads + self.key_value_heads) + 2 * self.head_size
        norms = 2 * self.hidden
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (attention + norms) + self.hidden


def facts_from_config(name: str, config: dict[str, Any]) -> ModelFacts:
    """Read a `config.json` as transformers writes it.

    Raises:
        KeyError: it says too little, as that of another architecture may.
    """
    heads = config["num_attention_heads"]
    experts = config.get("num_experts") or config.get("num_local_experts") or 0
    return ModelFacts(
        name=name,
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=heads,
        key_value_heads=config.get("num_key_value_heads", heads),
        head_size=config.get("head_dim") or config["hidden_size"] // heads,
        feed_forward=config["moe_intermediate_size"] if experts else config["intermediate_size"],
        vocabulary=config["vocab_size"],
        context_tokens=config["max_position_embeddings"],
        experts=experts,
        experts_used=config.get("num_experts_per_tok") or 0 if experts else 0,
        tied=config.get("tie_word_embeddings", False),
    )


def checkpoint_in(folder: Path) -> Path | None:
    """The checkpoint that a folder is, or that a training's output directory offers; None when there is none."""
    places = (folder / name for name in PLACES)
    return next((one for one in places if (one / ADAPTER_CONFIG).is_file() or (one / CONFIG).is_file()), None)


def has_weights(checkpoint: Path) -> bool:
    """Whether any weights lie in a checkpoint's folder: beside a `config.json` alone, nothing says that they do not."""
    return any(one.suffix in WEIGHTS for one in checkpoint.iterdir())


def adapter_of(checkpoint: Path) -> Path | None:
    """The folder of a checkpoint's LoRA adapter: OpenRLHF leaves it alone, the local trainer beside the weights."""
    return next((one for one in (checkpoint, checkpoint / "adapter") if (one / ADAPTER_CONFIG).is_file()), None)


def whole_policy(policy: str) -> str:
    """A policy as transformers opens it without losing anything: a name of the hub, or the folder of a checkpoint.

    Args:
        policy: a name, a checkpoint's folder, or a training's output directory.

    Raises:
        ConfigError: there is no such folder, it holds no checkpoint, or one with an adapter, which whoever opens the
            weights would leave out without a word.
    """
    folder = Path(policy).expanduser()
    if not folder.is_dir():
        # A name of the hub is OWNER/NAME.
        if folder.exists() or folder.is_absolute() or policy.startswith((".", "~")) or policy.count("/") > 1:
            raise ConfigError(f"the policy {policy} is no folder that is there, and no name of a model")
        return policy
    found = checkpoint_in(folder)
    if found is None:
        raise ConfigError(f"{folder} holds no policy: no {CONFIG}, not in its {' or '.join(PLACES[1:])} either")
    if adapter_of(found) is not None:
        raise ConfigError(
            f"{found} holds a LoRA adapter, and OpenRLHF would begin with the weights below it, as if it had never "
            f"been trained: merge it by `sandmle train export {policy} --merge DIR`, and name DIR"
        )
    return str(found.resolve())


def read_facts(folder: Path) -> ModelFacts | None:
    """Of a checkpoint's folder or a trainer's output directory; None when it does not say.

    Raises:
        ConfigError: its `config.json` cannot be read.
    """
    found = checkpoint_in(folder)
    if found is None or not (found / CONFIG).is_file():
        return None
    try:
        return facts_from_config(str(folder), json.loads((found / CONFIG).read_text("utf-8")))
    except KeyError:
        return None
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{found / CONFIG} cannot be read: {problem}") from problem
