"""Times work on a device that runs behind the program's back."""

import time
from collections.abc import Callable, Sequence

import torch

WARM_UPS = 3


def seconds_of(runs: Sequence[Callable[[], object]], device: str) -> list[float]:
    """Seconds that each run took on the device; the first few are run once more before, unmeasured."""
    for run in runs[:WARM_UPS]:
        run()
    if device != "cuda":
        return [_wall(run) for run in runs]
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in runs]
    for run, (before, after) in zip(runs, marks, strict=True):
        before.record()
        run()
        after.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) / 1000 for before, after in marks]


def wall(run: Callable[[], object], device: str) -> float:
    """Seconds until a run is done on the device, too."""
    settled(device)
    began = time.perf_counter()
    run()
    settled(device)
    return time.perf_counter() - began


def settled(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: str) -> float | None:
    """GiB that torch has had allocated at most since the last call; None where it does not count."""
    if device != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated() / 2**30
    torch.cuda.reset_peak_memory_stats()
    return peak


def _wall(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
