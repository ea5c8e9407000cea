"""Looks at the card while others use it."""

import subprocess
import threading
import time
from typing import Final

EVERY_S: Final = 1.0
ASKED: Final = ("nvidia-smi", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits")


class Watch(threading.Thread):
    """Memory in use, and how much of the time some kernel ran, every second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._seen: list[tuple[float, int, int]] = []

    def run(self) -> None:
        while True:
            told = subprocess.run(ASKED, capture_output=True, text=True, check=False)
            numbers = told.stdout.splitlines()[0].split(",") if told.returncode == 0 and told.stdout else []
            if len(numbers) == 2 and all(one.strip().isdigit() for one in numbers):
                self._seen.append((time.monotonic(), int(numbers[0]), int(numbers[1])))
            time.sleep(EVERY_S)

    def between(self, began: float, ended: float) -> tuple[int, float] | None:
        """Most MiB, and the mean share of time that it was busy, in per cent; None where nothing was seen."""
        found = [(memory, busy) for at, memory, busy in list(self._seen) if began <= at <= ended]
        return (max(one for one, _ in found), sum(one for _, one in found) / len(found)) if found else None
