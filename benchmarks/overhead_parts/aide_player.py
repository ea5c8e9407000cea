"""Runs where the package `aideml` is installed, and only there: plays its own agent with a scripted model.

    python aide_player.py FOLDER

For each line on stdin, a number of steps, it plays a new agent for so many and prints what they took as JSON. The
time is that of `Experiment.run`: choose, ask, run the program in the package's interpreter, have it reviewed, save.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import aide
import aide.agent

PROGRAM = "import shutil\nshutil.copy('input/sample_submission.csv', 'submission.csv')\nprint('validation rmse 0.5')"
REPLY = f"A plan in one sentence.\n\n```python\n{PROGRAM}\n```"


def query(*_: Any, func_spec: Any = None, **__: Any) -> Any:
    """The scripted model: it answers at once."""
    if func_spec is None:
        return REPLY
    return {"is_bug": False, "summary": "It ran.", "metric": 0.5, "lower_is_better": True}


def cpu_s() -> float:
    """Processor time of this process and of those that it has run."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in usages)


def play(folder: Path, steps: int) -> dict[str, float]:
    """One experiment, from its making on."""
    experiment = aide.Experiment(data_dir=str(folder), goal="Estimate y.", eval="rmse")
    spent_s, began = cpu_s(), time.perf_counter()
    experiment.run(steps)
    return {"steps": steps, "elapsed_s": time.perf_counter() - began, "cpu_s": cpu_s() - spent_s}


def main() -> None:
    """Read numbers of steps, print figures."""
    aide.agent.query = query
    # Its own words go elsewhere: stdout is for the figures.
    figures, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=figures, flush=True)
    for line in sys.stdin:
        print(json.dumps(play(Path(sys.argv[1]), int(line))), file=figures, flush=True)


if __name__ == "__main__":
    main()
