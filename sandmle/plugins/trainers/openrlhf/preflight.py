"""Whether this machine can start the training: packages, GPUs, the cluster. Nothing heavy is imported here."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from sandmle.core.errors import ConfigError, PluginError, ProviderError
from sandmle.plugins.trainers.models import WEIGHTS, has_weights
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.placement import Placement

VERSION: Final = "0.11.2"
"""Of OpenRLHF: its flags and classes change from release to release."""
PROBE_DEADLINE_S: Final = 180.0
INSTALL: Final = (
    "on a machine with CUDA: `pip install torch` first, then `pip install --no-build-isolation 'sandmle[openrlhf]' "
    "'openrlhf[vllm]==0.11.2'` (docs/training-openrlhf.md); --dry-run works without"
)
_COUNT_LOCAL: Final = "import torch; print(torch.cuda.device_count())"
_COUNT_CLUSTER: Final = (
    "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); "
    "print(int(ray.cluster_resources().get(sys.argv[2], 0)))"
)


def check_weights(config: OpenRlhfConfig) -> None:
    """See that a policy that is a folder holds more than its shape, which is enough for a dry run.

    Raises:
        ConfigError: there are no weights.
    """
    folder = Path(str(config.policy))
    if folder.is_dir() and not has_weights(folder):
        raise ConfigError(f"the policy {folder} holds no weights (*{' or *'.join(WEIGHTS)})")


def check_packages(config: OpenRlhfConfig, place: Placement) -> None:
    """See that everything is installed that the command will import.

    Raises:
        PluginError: with all that is missing, and what to do.
    """
    missing = [name for name in _needed(config, place) if importlib.util.find_spec(name) is None]
    if missing:
        raise PluginError(f"the openrlhf trainer needs {', '.join(missing)}, not installed here; {INSTALL}")
    installed = metadata.version("openrlhf")
    if installed != VERSION:
        raise PluginError(f"the trainer is made for openrlhf {VERSION}, and {installed} is installed; {INSTALL}")


def check_gpus(config: OpenRlhfConfig) -> None:
    """See that there are as many GPUs as are asked for: Ray would wait for them without an end.

    Raises:
        ConfigError: there are fewer, or several nodes and no cluster.
        ProviderError: the cluster cannot be reached.
    """
    if config.ray_address is None and config.nodes > 1:
        raise ConfigError(
            f"{config.nodes} nodes need a Ray cluster: run `ray start --head` on the first node and `ray start "
            "--address=HEAD:6379` on the others, then give --ray-address auto on the first"
        )
    if config.ray_address is None:
        found, where = _count(_COUNT_LOCAL), "this machine has"
    else:
        found, where = _count(_COUNT_CLUSTER, config.ray_address, "GPU"), f"the cluster at {config.ray_address} has"
    if found < config.world:
        raise ConfigError(
            f"{config.world} GPUs are asked for ({config.nodes} nodes x {config.gpus}), and {where} {found}; give "
            "fewer by --gpus and --nodes, or look at the command with --dry-run. A CPU trains with --trainer local"
        )


def check_sandbox_hosts(config: OpenRlhfConfig) -> None:
    """See that some host has the resource by which those that play are known: Ray would wait for one without an end.

    Raises:
        ConfigError: none has it.
        ProviderError: the cluster cannot be reached.
    """
    name = config.sandbox_resource
    if name is None:
        return
    where = "a Ray that is started here" if config.ray_address is None else f"the cluster at {config.ray_address}"
    if config.ray_address is None or not _count(_COUNT_CLUSTER, config.ray_address, name):
        resources = json.dumps({name: 1})
        raise ConfigError(
            f"plugin.trainer.openrlhf.sandbox_resource = {name!r}, and {where} has no such resource: join the hosts "
            f"that are to play episodes by `ray start --address=HEAD:6379 --resources='{resources}'`, and give "
            "--ray-address"
        )


def _needed(config: OpenRlhfConfig, place: Placement) -> Iterator[str]:
    yield from ("openrlhf", "ray", "deepspeed", "vllm", "torch", "transformers", "peft")
    # OpenRLHF imports it whatever the attention is.
    yield "flash_attn"
    if place.sequence_parallel > 1:
        yield "ring_flash_attn"


def _count(program: str, *arguments: str) -> int:
    """In a process of its own, so that this one neither joins a cluster nor touches a GPU."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=PROBE_DEADLINE_S,
            check=True,
        )
        return int(done.stdout.split()[-1])
    except subprocess.TimeoutExpired as problem:
        words = f"the GPUs could not be counted within {PROBE_DEADLINE_S:g} s; is the cluster up?"
        raise ProviderError(words) from problem
    except (subprocess.CalledProcessError, ValueError, IndexError) as problem:
        told = getattr(problem, "stderr", "") or str(problem)
        raise ProviderError(f"the GPUs could not be counted: {told.strip().splitlines()[-1]}") from problem
