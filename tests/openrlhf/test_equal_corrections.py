"""The correction for samples of another policy is OpenRLHF's PolicyLoss: the loss and its gradient, to 1e-5."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sandmle.plugins.trainers.local.batches import MicroBatch
from sandmle.plugins.trainers.local.config import Correction
from sandmle.plugins.trainers.local.corrections import weigh
from sandmle.plugins.trainers.local.losses import Clip, policy_loss, token_weights

LOG_PROB = st.floats(-6, -0.001)
ROW = st.lists(st.tuples(LOG_PROB, LOG_PROB, LOG_PROB), min_size=1, max_size=6)
ROWS = st.lists(st.tuples(ROW, st.floats(-3, 3)), min_size=1, max_size=4)
KINDS = [
    ("token", "mask", "ratio", (0.5, 5.0)),
    ("token", "clip", "ratio", (0.5, 5.0)),
    ("token", "clip", "ratio", (0.0, 2.0)),
    ("seq", "mask", "ratio", (0.5, 2.0)),
    ("token", "mask", "binary_kl", (0.0, 0.1)),
    ("seq", "mask", "binary_kl", (0.0, 0.05)),
    ("token", "mask", "tv", (0.0, 0.2)),
    ("seq", "mask", "tv", (0.0, 0.1)),
]


def batch_of(rows) -> tuple[MicroBatch, torch.Tensor, torch.Tensor]:
    """Our micro-batch, and the log-probs now and before the update, of all tokens in order."""
    tokens = [one for row, _ in rows for one in row]
    now, old, rollout = torch.tensor(tokens, dtype=torch.float32).T
    lengths = torch.tensor([len(row) for row, _ in rows])
    empty = torch.zeros(0)
    batch = MicroBatch(
        shared=empty,
        ids=empty,
        trained=empty,
        owner=torch.arange(len(rows)).repeat_interleave(lengths),
        lengths=lengths,
        rollout_log_probs=rollout,
        advantages=torch.tensor([advantage for _, advantage in rows]).repeat_interleave(lengths),
    )
    return batch, now, old


@pytest.mark.parametrize("aggregate", ["token-mean", "seq-mean-token-mean"])
@pytest.mark.parametrize(("level", "mode", "gating", "threshold"), KINDS)
@given(rows=ROWS)
def test_loss_and_gradient_are_theirs(level, mode, gating, threshold, aggregate, rows):
    from openrlhf.models import PolicyLoss

    batch, now, old = batch_of(rows)
    mask = torch.zeros(len(rows), int(batch.lengths.max()))
    for row, length in enumerate(batch.lengths):
        mask[row, :length] = 1
    held = mask.bool()

    ours = now.clone().requires_grad_()
    correction = Correction(level=level, mode=mode, gating=gating, low=threshold[0], high=threshold[1])
    coefficient, filtered = weigh(old, batch, correction)
    weights = token_weights(batch, aggregate, tokens=len(now), sequences=len(rows))
    loss = (coefficient * policy_loss(ours, old, batch.advantages, Clip(low=0.2, high=0.28)) * weights).sum()
    loss.backward()

    theirs = now.clone().requires_grad_()
    spread = [torch.zeros_like(mask).masked_scatter(held, one) for one in (theirs, old, batch.advantages)]
    rollout = torch.zeros_like(mask).masked_scatter(held, batch.rollout_log_probs)
    policy_loss_of_theirs = PolicyLoss(
        0.2,
        0.28,
        token_level_loss=aggregate == "token-mean",
        is_correction_level=level,
        is_correction_mode=mode,
        is_correction_gating=gating,
        is_correction_threshold=list(threshold),
    )
    their_loss, _, _, _, their_share = policy_loss_of_theirs(*spread, action_mask=mask, rollout_log_probs=rollout)
    their_loss.backward()

    assert loss.item() == pytest.approx(their_loss.item(), abs=1e-5, rel=1e-5)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)
    if level == "token":
        assert filtered.float().mean().item() == pytest.approx(their_share.item(), abs=1e-6)


@pytest.mark.parametrize(
    ("level", "mode", "gating", "threshold"),
    [
        ("seq", "clip", "ratio", (0.5, 5.0)),
        ("token", "clip", "tv", (0.0, 0.2)),
        ("token", "mask", "tv", (0.5, 5.0)),
        ("seq", "mask", "binary_kl", (0.1, 5.0)),
    ],
)
def test_what_they_refuse_is_refused(level, mode, gating, threshold):
    from openrlhf.models import PolicyLoss

    with pytest.raises(ValueError, match="is_correction"):
        PolicyLoss(
            is_correction_level=level,
            is_correction_mode=mode,
            is_correction_gating=gating,
            is_correction_threshold=list(threshold),
        )
    correction = Correction(level=level, mode=mode, gating=gating, low=threshold[0], high=threshold[1])
    assert correction.problem() is not None
