"""Options that several commands of `sandmle train` share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]
Tasks = Annotated[
    Path | None, typer.Option("--tasks", help="Directory of training task directories. A dry run needs none.")
]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Output directory; the same command resumes it. A dry run needs none."),
]
RngSeed = Annotated[int | None, typer.Option("--rng-seed", help="Decides every random choice.")]
Trainer = Annotated[str, typer.Option(help="local (one process), openrlhf (Ray, vLLM, DeepSpeed), or a plugin's.")]
RecipeName = Annotated[
    str | None, typer.Option("--recipe", help="Named configuration below all others; `train recipes` lists them.")
]
Policy = Annotated[
    str | None,
    typer.Option(help="Checkpoint to start from, or a trainer's output; for openrlhf also a Hugging Face name."),
]
Adapter = Annotated[bool | None, typer.Option("--lora/--full", help="Train a LoRA adapter, or all weights.")]
Gpus = Annotated[int | None, typer.Option(help="GPUs of each node.", min=1)]
Nodes = Annotated[int | None, typer.Option(help="Nodes of the Ray cluster.", min=1)]
RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="An existing Ray cluster (`auto`, HOST:PORT); default: one here.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, with an estimate; start nothing.")]
Assume = Annotated[
    list[str] | None,
    typer.Option("--assume", metavar="KEY=NUMBER", help="Give one input of the estimate; may be repeated."),
]
