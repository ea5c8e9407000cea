"""Stage `openrlhf`: OpenRLHF's own Actor and PolicyLoss on the trajectories that we trained on, beside ours.

Same base weights, same adapter (the head's included), same sequences and advantages; then the same numbers are to come
out: log-probs of the sampled tokens, the loss, and the adapter's gradient.
"""

import gc
import importlib.util
import sys
import types
import warnings
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers.integrations.deepspeed  # noqa: F401  # asks for DeepSpeed before something stands in for it
from clock import peak_memory, wall
from plan import Findings, Plan, begin
from safetensors.torch import load_file
from stored import either, open_policy, within
from torch.nn.functional import cosine_similarity

from sandmle.plugins.trainers.local.batches import MicroBatch, micro_batches
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.losses import Clip, action_log_probs, policy_loss

CLIP = Clip(low=0.2, high=0.28)
REPEATS = 3
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.02}
"""Of the mean log-prob and of the loss. bfloat16 numbers lie 0.4 % apart, and both sides add them up in another
order."""
TURNED = {"float32": 1e-4, "bfloat16": 0.02}
"""1 - cosine of our gradient with OpenRLHF's in float32. In bfloat16 it may also be `NO_WORSE` times as far from it as
OpenRLHF's own: how far rounding turns a gradient depends on the model, and both round."""
NO_WORSE = 2.0


def stand_ins(root: Path) -> None:
    """Let OpenRLHF's models be imported where flash-attn and DeepSpeed are not installed; nothing here uses them."""
    if importlib.util.find_spec("flash_attn") is None:
        sys.path.append(str(root / "tests" / "openrlhf" / "stubs"))
    if importlib.util.find_spec("deepspeed") is None:
        # Imported for mixtures of experts and ZeRO-3 only.
        empty = types.ModuleType("deepspeed")
        empty.__spec__ = ModuleSpec("deepspeed", None)
        sys.modules["deepspeed"] = empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Padded:
    """A micro-batch as OpenRLHF has it: whole sequences, padded on the right."""

    ids: torch.Tensor
    """[sequences, tokens]"""
    seen: torch.Tensor
    """[sequences, tokens]: which are no padding."""
    actions: torch.Tensor
    """[sequences, tokens - 1]: whether the next token was sampled."""
    rollout: torch.Tensor
    advantages: torch.Tensor
    """Both like `actions`, 0 elsewhere."""


def pad(batch: MicroBatch) -> Padded:
    """Put the shared beginning before every sequence."""
    rows, shared = len(batch.ids), len(batch.shared)
    ids = torch.cat((batch.shared[None].expand(rows, -1), batch.ids), dim=1)
    actions = torch.cat((batch.trained.new_zeros(rows, shared), batch.trained), dim=1)
    # Every sequence ends with a sampled token.
    ends = torch.stack([row.nonzero().max() + 2 for row in actions])
    seen = torch.arange(ids.shape[1], device=ids.device)[None] < ends[:, None]
    rollout, advantages = (torch.zeros(actions.shape, device=ids.device) for _ in range(2))
    rollout[actions], advantages[actions] = batch.rollout_log_probs, batch.advantages
    return Padded(ids=ids, seen=seen.long(), actions=actions, rollout=rollout, advantages=advantages)


class Ours:
    """Our trainer's pass."""

    def __init__(self, module: Any, batch: MicroBatch) -> None:
        self.module, self._batch = module, batch

    def log_probs(self) -> torch.Tensor:
        with torch.no_grad():
            return action_log_probs(self.module, self._batch, 1.0)[0]

    def loss(self) -> float:
        """Against the rollout's own log-probs, so that some tokens are clipped."""
        return float(policy_loss(self.log_probs(), self._batch.rollout_log_probs, self._batch.advantages, CLIP).mean())

    def backward(self) -> None:
        new, _ = action_log_probs(self.module, self._batch, 1.0)
        policy_loss(new, new.detach(), self._batch.advantages, CLIP).mean().backward()


class Theirs:
    """OpenRLHF's."""

    def __init__(self, actor: Any, loss: Any, padded: Padded) -> None:
        self.module, self._actor, self._losses, self._padded = actor.model, actor, loss, padded

    def _forward(self) -> torch.Tensor:
        padded = self._padded
        found: torch.Tensor = self._actor(padded.ids, action_mask=padded.actions, attention_mask=padded.seen)
        return found

    def log_probs(self) -> torch.Tensor:
        with torch.no_grad():
            return self._forward()[self._padded.actions]

    def loss(self) -> float:
        """Likewise."""
        padded = self._padded
        with torch.no_grad():
            loss, *_ = self._losses(self._forward(), padded.rollout, padded.advantages, padded.actions.float())
        return float(loss)

    def backward(self) -> None:
        padded = self._padded
        new = self._forward()
        loss, *_ = self._losses(new, new.detach(), padded.advantages, padded.actions.float())
        loss.backward()


def make_theirs(plan: Plan, base: Path, dtype: str, module: Any, padded: Padded) -> Theirs:
    """An Actor as OpenRLHF makes it, with exactly the numbers of our module in it, the adapter's included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from openrlhf.models import Actor, PolicyLoss  # noqa: PLC0415 - after the stand-ins

        from sandmle.plugins.llms.local.adapter import TARGETS  # noqa: PLC0415

        actor = Actor(
            str(base),
            attn_implementation="sdpa",
            param_dtype="bf16",
            lora_rank=plan.amounts.rank,
            lora_alpha=2 * plan.amounts.rank,
            target_modules=list(TARGETS),
        ).to(plan.device)
    if dtype == "float32":
        # OpenRLHF opens weights in bfloat16 or float16 only.
        actor.float()
    ours, theirs = dict(module.named_parameters()), dict(actor.model.named_parameters())
    if ours.keys() != theirs.keys():
        raise ValueError(f"OpenRLHF's actor has other weights than ours: {sorted(ours.keys() ^ theirs.keys())[:3]}")
    with torch.no_grad():
        for name, weight in theirs.items():
            weight.copy_(ours[name])
    actor.eval()
    loss = PolicyLoss(clip_eps_low=CLIP.low, clip_eps_high=CLIP.high, token_level_loss=True)
    return Theirs(actor, loss, padded)


def gradient(module: Any) -> torch.Tensor:
    """Of every adapter weight, in one row, in the order of their names; then forgotten."""
    named = sorted((name, one) for name, one in module.named_parameters() if one.requires_grad)
    row = torch.cat([torch.zeros_like(one).flatten() if one.grad is None else one.grad.flatten() for _, one in named])
    module.zero_grad(set_to_none=True)
    return row.double().cpu()


def compare(plan: Plan, findings: Findings, base: Path, dtype: str, exact: torch.Tensor | None) -> torch.Tensor:
    """The numbers of both, and how long an update's forward and backward take each.

    Returns:
        OpenRLHF's gradient, which the others are held against: `exact`, or this one where there is none yet.
    """
    policy = open_policy(base, plan.device, dtype)
    policy.add_adapter(GrpoConfig(rank=plan.amounts.rank, alpha=2 * plan.amounts.rank).adapter_shape(), 0)
    module = policy.module
    found, origin = either(plan, policy)
    items = within(found, plan.amounts.compared, plan.amounts.compared_tokens)
    batch = max(micro_batches(items, plan.amounts.compared_tokens, plan.device), key=lambda one: len(one.owner))
    padded = pad(batch)
    ours = Ours(module, batch)
    theirs = make_theirs(plan, base, dtype, module, padded)
    gaps = (ours.log_probs() - theirs.log_probs()).abs()
    losses = ours.loss(), theirs.loss()
    # Against each side's own log-probs, as in the first minibatch of a step: where the clip sets in, rounding would
    # decide whether a token has a gradient at all.
    ours.backward()
    theirs.backward()
    one, other = gradient(ours.module), gradient(theirs.module)
    exact = other if exact is None else exact
    turned = [1 - float(cosine_similarity(side, exact, dim=0)) for side in (one, other)]
    mean, loss_gap = float(gaps.mean()), abs(losses[0] - losses[1])
    seconds = timed(plan, ours, theirs)
    findings.facts(
        **{
            dtype: {
                "mean": mean,
                "most": float(gaps.max()),
                "losses": losses,
                "gradient": turned,
                "norms": (float(one.norm()), float(other.norm())),
                **seconds,
            }
        }
    )
    rows, width = padded.ids.shape
    findings.row(
        f"OpenRLHF's Actor and PolicyLoss beside ours, {dtype}",
        f"{len(batch.owner)} tokens of {rows} {origin}: log-probs {mean:.2g} apart (at most {float(gaps.max()):.2g}); "
        f"losses {losses[0]:.6f} and {losses[1]:.6f}; gradients {abs(turned[0]):.2g} and {abs(turned[1]):.2g} from "
        "OpenRLHF's in float32 (1 - cosine)",
    )
    findings.row(
        f"forward and backward, {dtype}",
        f"ours {1000 * seconds['ours']:,.0f} ms, OpenRLHF's {1000 * seconds['theirs']:,.0f} ms "
        f"({rows} x {width} tokens, {len(batch.shared)} of them shared)" + _memory(seconds),
    )
    for what, gap, most in (
        ("log-probs", mean, TOLERANCES[dtype]),
        ("loss", loss_gap, TOLERANCES[dtype]),
        ("gradient", turned[0], max(TURNED[dtype], NO_WORSE * turned[1])),
    ):
        findings.expect(gap <= most, f"{dtype}: {what} differ by {gap:.3g}, more than {most:.3g}")
    return exact


def timed(plan: Plan, ours: Ours, theirs: Theirs) -> dict[str, Any]:
    """Seconds that a forward and a backward pass take on either side, and the memory at most, in GiB."""
    found: dict[str, Any] = {}
    for name, side in (("ours", ours), ("theirs", theirs)):
        side.backward()
        peak_memory(plan.device)
        found[name] = median(wall(side.backward, plan.device) for _ in range(REPEATS))
        found[f"{name}_gib"] = peak_memory(plan.device)
        side.module.zero_grad(set_to_none=True)
    return found


def _memory(seconds: dict[str, Any]) -> str:
    if seconds["ours_gib"] is None:
        return ""
    return f"; peak {seconds['ours_gib']:.1f} and {seconds['theirs_gib']:.1f} GiB, both models in memory"


def main() -> None:
    plan, findings, _ = begin()
    stand_ins(plan.root)
    base = plan.policy().resolve()
    findings.facts(base=base.parent.parent.name)
    exact = None
    for dtype in ("float32", "bfloat16"):
        exact = compare(plan, findings, base, dtype, exact)
        gc.collect()
        if plan.device == "cuda":
            torch.cuda.empty_cache()
    tell_head(plan, findings)
    findings.finish()


def tell_head(plan: Plan, findings: Findings) -> None:
    """Whether GRPO has trained the head's adapter, too: the second matrix begins as zeros."""
    path = plan.policy() / "adapter" / "adapter_model.safetensors"
    if not path.exists():
        return
    head = [one for name, one in load_file(path).items() if "lm_head" in name and "lora_B" in name]
    findings.expect(bool(head), "the trained adapter has none for the head")
    moved = max((float(one.float().abs().max()) for one in head), default=0.0)
    findings.row("adapter on the head", f"in the checkpoint, moved by training to at most {moved:.2g}")
    findings.expect(moved > 0, "training has not moved the head's adapter")


if __name__ == "__main__":
    main()
