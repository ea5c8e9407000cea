"""What `sandmle demo` types: the commands of the program, word for word, and where each leaves its work.

Nothing is done here. The settings of the training part are those of the learning benchmark; only its size is smaller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Words = tuple[str, ...]
"""One command, without the program's name."""

AGENTS: Final = ("offline/agent-weak", "offline/agent", "offline/agent-strong")
TEACHER: Final = "offline/demonstrator"
RANDOM: Final = "offline/random-running-program"
"""A control that learns nothing: any program that the look at the files lets expect to run."""
WORLD: Final = (
    *("--set", "run.max_turns=6"),
    *("--set", "run.cell_timeout_s=20"),
    *("--set", "run.feedback=validate_only"),
    *("--set", 'plugin.scaffold.react.prompt="brief"'),
)
"""What demonstrations, policies and controls all play under."""
BRIEFLY: Final = ("--set", "run.max_tokens=64")
"""Of one turn of a policy; a program is about 25 tokens under its own tokenizer."""
MIN_TASKS: Final = 6
"""Fewer are likely to be of one rule family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSize:
    """How much is trained and measured."""

    demonstrations: int
    """Per training task."""
    epochs: int
    steps: int
    episodes: int
    """Per held-out task and policy or control."""
    tasks_per_step: int = 4
    group_size: int = 8
    batch: int = 16
    """Demonstrations of one update of SFT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The demo's directories, and its commands in order."""

    out: Path
    tasks: int
    group_size: int
    rng_seed: int
    training: TrainingSize | None
    """None leaves training out."""

    @property
    def corpus(self) -> str:
        return str(self.out / "tasks")

    @property
    def report(self) -> str:
        return str(self.out / "report.html")

    @property
    def runs(self) -> Mapping[str, str]:
        """Agent to its run directory."""
        return {agent: str(self.out / "runs" / agent.removeprefix("offline/")) for agent in AGENTS}

    @property
    def trainings(self) -> Mapping[str, str]:
        """Method to the trainer's output directory."""
        return {} if self.training is None else {name: self._in_training(name) for name in ("sft", "grpo")}

    @property
    def held_out(self) -> Mapping[str, str]:
        """Policy or control to its run directory on the held-out tasks."""
        players = {**self.trainings, "random-running-program": RANDOM, "demonstrator": TEACHER}
        return {name: self._in_training("held-out", name) for name in players} if self.training else {}

    def commands(self) -> list[Words]:
        """Everything before the report."""
        made = ("synth", "-n", str(self.tasks), *self._seeded(), "-o", self.corpus)
        played = [
            ("run", "--tasks", self.corpus, "--model", agent, "-k", str(self.group_size), "-o", run_dir)
            for agent, run_dir in self.runs.items()
        ]
        return [made, *played, *(self._learned(self.training) if self.training else [])]

    def report_command(self) -> Words:
        """The report of all that is there."""
        named: Sequence[tuple[str, Mapping[str, str]]] = (
            ("--run", self.runs),
            ("--training", self.trainings),
            ("--held-out", self.held_out),
        )
        options = [f"{option}={folder}" for option, folders in named for folder in folders.values()]
        return ("report", "--tasks", self.corpus, *options, "-o", self.report)

    def _learned(self, size: TrainingSize) -> list[Words]:
        split, demos = self._in_training("split"), self._in_training("demonstrations")
        sft, grpo = self.trainings.values()
        train, held_out = f"{split}/train.txt", f"{split}/held-out.txt"
        trainer = "plugin.trainer.local"
        imitation = ("--set", f"{trainer}.sft.batch_sequences={size.batch}")
        doing = (
            *("--set", f"{trainer}.grpo.tasks_per_step={size.tasks_per_step}"),
            *("--set", f"{trainer}.grpo.refills=0"),
            *("--set", f"{trainer}.grpo.minibatches=1"),
            *("--set", f'{trainer}.grpo.aggregate="seq-mean-token-mean"'),
            *("--set", f"{trainer}.grpo.warmup_steps=1"),
        )
        # Rule families are held out, seeds are not: two dozen tasks are too few to hold out both.
        parted = ("--held-out-families", str(max(1, min(4, self.tasks // 6))), "--held-out-seeds", "0")
        return [
            ("tasks", "split", self.corpus, *parted, "--validation", "0", "--fresh", "0", *self._seeded(), "-o", split),
            ("run", "--tasks", train, "--model", TEACHER, "-k", str(size.demonstrations), *WORLD, "-o", demos),
            ("train", "sft", "--demos", demos, "--tasks", train, "--epochs", str(size.epochs), *imitation, "-o", sft),
            (
                *("train", "grpo", "--policy", sft, "--tasks", train, "--steps", str(size.steps)),
                *("-k", str(size.group_size), *doing, *WORLD, *BRIEFLY, "-o", grpo),
            ),
            *(self._measured(name, held_out, size.episodes) for name in self.held_out),
        ]

    def _measured(self, name: str, tasks: str, episodes: int) -> Words:
        local = self.trainings.get(name)
        model = f"local/{local}" if local else {"demonstrator": TEACHER}.get(name, RANDOM)
        brief = BRIEFLY if local else ()
        return (
            "run",
            "--tasks",
            tasks,
            "--model",
            model,
            "-k",
            str(episodes),
            *WORLD,
            *brief,
            "-o",
            self.held_out[name],
        )

    def _in_training(self, *parts: str) -> str:
        return str(self.out.joinpath("training", *parts))

    def _seeded(self) -> Words:
        return ("--rng-seed", str(self.rng_seed))
