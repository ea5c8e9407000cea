"""A number that is none changes no weight, and the message says what to do about it."""

import math

import pytest

torch = pytest.importorskip("torch")

from sandmle.core.errors import RunError  # noqa: E402
from sandmle.plugins.trainers.local.config import SftConfig  # noqa: E402
from sandmle.plugins.trainers.local.optimizing import Optimizer  # noqa: E402


def test_what_gives_no_numbers_from_the_start_is_told_apart_from_what_training_did():
    module = torch.nn.Linear(2, 1)
    optimizer = Optimizer(module, SftConfig(warmup_steps=0), 1e-3, steps=3)
    module(torch.ones(1, 2)).sum().backward()
    with pytest.raises(RunError, match=r"step 1: the loss is nan .*the policy that it began with"):
        optimizer.update(1, math.nan, "checkpoints/0000")
    module(torch.ones(1, 2)).sum().backward()
    optimizer.update(2, 0.5, "checkpoints/0000")
    before = module.weight.detach().clone()
    (module(torch.ones(1, 2)) * math.inf).sum().backward()
    with pytest.raises(RunError, match=r"step 3: .* norm (inf|nan).*checkpoints/0000; .* with a lower learning rate"):
        optimizer.update(3, 0.5, "checkpoints/0000")
    assert torch.equal(module.weight, before)
