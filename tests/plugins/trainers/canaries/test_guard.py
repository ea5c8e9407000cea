"""A training run whose canary dies stops there, with nothing trained."""

import asyncio
from dataclasses import replace

import pytest
import torch

from sandmle.core.errors import PluginError
from sandmle.plugins.trainers.local import batches as batches_file
from sandmle.plugins.trainers.local.loop import run_grpo


async def test_a_mask_that_is_one_token_late_stops_a_run_before_its_first_update(toy, taught, tmp_path, monkeypatch):
    real = batches_file._batch

    def late(*words):
        batch = real(*words)
        trained = torch.roll(batch.trained, 1, dims=1)
        trained[:, 0] = False
        return replace(batch, trained=trained)

    for letter in toy.LETTERS:
        toy.write_toy_task(tmp_path / "tasks", letter)
    config = toy.grpo_config(taught, steps=1, evaluate_every=0)
    monkeypatch.setattr(batches_file, "_batch", late)
    # The sync canary makes its batches by the same function and would stop the run first.
    monkeypatch.setattr("sandmle.plugins.trainers.local.guarding.Guard.begin", _nothing)
    monkeypatch.setattr(toy.SaidIt, "value", lambda self, episode: (episode.slot % 4) / 4)
    with pytest.raises(PluginError, match=r"mask canary: .*: the mask is one token late"):
        await run_grpo(
            toy.toy_toolkit(),
            config,
            tasks=tmp_path / "tasks",
            out=tmp_path / "out",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )
    assert (tmp_path / "out" / "last").resolve().name == "0000"


async def _nothing(self) -> None:
    """Look at nothing."""
