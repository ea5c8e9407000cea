"""`python -m sandmle.plugins.trainers.openrlhf.entry FLAGS`: OpenRLHF's own command line, with our classes in it.

Nothing of OpenRLHF is copied or patched on disk. Its command line finds actor and controller by their global names, so
ours stand there before it runs. Ray hands a class to its workers by the module that it is found in, which is one of
this package; what is to be replaced inside of a worker's process, those classes replace when they are made there.
"""

import runpy
import sys
from collections.abc import Sequence
from typing import Final

import ray
from openrlhf.trainer import ppo_trainer
from openrlhf.trainer.ray import ppo_actor

from sandmle.plugins.trainers.openrlhf.actor import SegmentActor
from sandmle.plugins.trainers.openrlhf.controller import SegmentTrainer

COMMAND: Final = "openrlhf.cli.train_ppo_ray"
REFUSED: Final = {
    "--train.async_enable": "rollouts by older weights than those that are trained are not told apart yet",
    "--train.partial_rollout_enable": "an episode would be played by several policies",
}


def install() -> None:
    """Put our classes in place of OpenRLHF's. Doing it twice is doing it once."""
    ppo_actor.PolicyModelActor = ray.remote(num_gpus=1)(SegmentActor)
    ppo_trainer.PPOTrainer = ray.remote(SegmentTrainer)


def main(flags: Sequence[str]) -> None:
    """Run OpenRLHF's command line with these flags."""
    for flag, why in REFUSED.items():
        if flag in flags:
            sys.exit(f"{flag}: {why}; leave it out")
    install()
    sys.argv = [COMMAND, *flags]
    runpy.run_module(COMMAND, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
