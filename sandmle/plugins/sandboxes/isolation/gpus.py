"""The files through which programs reach NVIDIA GPUs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

Gpus = Literal["all"] | Sequence[int]
"""Every GPU, or those with these numbers."""

SURROUNDINGS: Final = ("/sys/bus/pci", "/sys/class/drm", "/sys/devices", "/sys/module")
"""What the driver's libraries read beside them, to find out which GPUs there are and how they are connected."""
_SHARED: Final = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
_NUMBERED: Final = re.compile(r"nvidia(\d+)")


def device_files(gpus: Gpus, dev: Path = Path("/dev")) -> tuple[str, ...]:
    """The device files of `gpus` and those that all share.

    Raises:
        OSError: one of them, or any at all, is not there.
    """
    found = {int(match[1]): path for path in dev.glob("nvidia*") if (match := _NUMBERED.fullmatch(path.name))}
    wanted = sorted(found) if gpus == "all" else list(gpus)
    missing = [f"{dev}/nvidia{number}" for number in wanted if number not in found]
    if missing or not wanted:
        raise OSError(f"no NVIDIA GPU here: there is no {', '.join(missing) or f'{dev}/nvidia0'}")
    shared = [dev / name for name in _SHARED if (dev / name).exists()]
    return tuple(map(str, [*(found[number] for number in wanted), *shared]))
