"""The figures of an SFT are read off the progress bar that the real trainer shows."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from openrlhf.trainer.sft_trainer import SFTTrainer
from torch.utils.data import DataLoader

from sandmle.plugins.trainers.openrlhf.metrics import SftBar

pytestmark = pytest.mark.openrlhf

CONVERSATIONS, TOKENS, WINDOW, EPOCHS = 10, 5, 4, 2


class Words(torch.nn.Module):
    """Log-probs that are one weight for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(
            -torch.rand(CONVERSATIONS * TOKENS, generator=torch.Generator().manual_seed(1))
        )
        self.model = SimpleNamespace(global_steps=0)

    def forward(self, inputs, **how):
        return self.weights[inputs[:, 1:]], None


class OneProcess:
    """What the trainer uses of a strategy; remembers what it is shown."""

    ring_attn_group = None
    accumulated_gradient = WINDOW

    def __init__(self) -> None:
        nothing = {"key": None}
        self.args = Namespace(
            model=Namespace(aux_loss_coef=0.0),
            ds=Namespace(packing_samples=False, ring_attn_size=1, tensor_parallel_size=1),
            logger=Namespace(wandb=Namespace(**nothing), tensorboard_dir=None, logging_steps=1),
            eval=Namespace(steps=-1),
            ckpt=Namespace(save_steps=-1),
            train=Namespace(batch_size=WINDOW),
        )
        self.losses: list[float] = []

    def is_rank_0(self) -> bool:
        return True

    def backward(self, loss, model, optimizer) -> None:
        self.losses.append(float(loss.detach()))

    def optimizer_step(self, optimizer, model, scheduler) -> None:
        model.model.global_steps += len(self.losses) % WINDOW == 0

    def get_grad_norm(self, model) -> float:
        return 0.5

    def all_reduce(self, figures):
        return figures


def test_each_step_has_the_mean_of_its_micro_batches(capsys):
    rows = torch.arange(CONVERSATIONS * TOKENS).reshape(CONVERSATIONS, TOKENS)
    data = DataLoader([(one[None], torch.ones(1, TOKENS), torch.ones(1, TOKENS)) for one in rows], batch_size=1)
    strategy = OneProcess()
    trainer = SFTTrainer(
        Words(), strategy, None, data, None, SimpleNamespace(get_last_lr=lambda: [1e-5]), max_epochs=EPOCHS
    )
    trainer.fit(strategy.args)
    shown = capsys.readouterr().err.replace("\r", "\n").splitlines()
    bar = SftBar(done=0, window=WINDOW)
    steps = [line for line in map(bar.read, shown) if line is not None]
    assert [one.step for one in steps] == list(range(1, 1 + CONVERSATIONS * EPOCHS // WINDOW))
    for number, one in enumerate(steps):
        mean = sum(strategy.losses[number * WINDOW : (number + 1) * WINDOW]) / WINDOW
        assert one.figures["gpt_loss"] == pytest.approx(mean, rel=0.01)
        assert (one.figures["lr"], one.figures["grad_norm"]) == (1e-5, 0.5)
