"""Dying must not be a way to leave a group: real agent code in the real process sandbox."""

from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.engine.attempt import Attempt
from sandmle.core.errors import SandboxError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Outcome
from sandmle.core.types.sandbox import CellStatus, SandboxLimits
from sandmle.core.types.trajectory import StopReason

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITE = """
import pathlib
rows = pathlib.Path("data/test.csv").read_text().splitlines()[1:]
pathlib.Path("submission.csv").write_text("id,y\\n" + "".join(f"{r.split(',')[0]},{float(r.split(',')[1]) + 0.15}\\n" for r in rows))
"""  # noqa: E501 - agent code
DEATHS = {
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "kills everything it can see": "import os, signal; os.kill(-1, signal.SIGKILL)",
    "exits": "import os; os._exit(0)",
    "segfaults": "import ctypes; ctypes.string_at(0)",
    "aborts": "import os; os.abort()",
    "uses all memory": "hoard = [b'x' * 100_000_000 for _ in range(1000)]",
}
# Where the sandbox leaves nothing to be killed, or memory is refused rather than taken back, Python outlives it.
OUTLIVED = {
    "kills everything it can see": {CellStatus.DIED, CellStatus.ERROR},
    "uses all memory": {CellStatus.DIED, CellStatus.ERROR},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process_sandbox():
    made = load_plugins(builtins=["sandmle.plugins.sandboxes.plugin"]).registry.make(Kind.SANDBOX, "process")
    try:
        await made.start()
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("death", DEATHS)
async def test_dying_after_a_submission_is_scored_as_that_submission(stage, task, process_sandbox, death):
    # Filling memory takes long on a busy machine.
    limits = replace(stage.rules().limits, cell_timeout_s=60, episode_timeout_s=600)
    rules = replace(stage.rules(limits=limits), sandbox_limits=SandboxLimits(memory_mb=256))
    crew = stage.crew((WRITE, "submit", DEATHS[death], "finish"), sandbox=process_sandbox, rules=rules)
    episode = await Attempt(crew, task, 0).play()
    assert episode.outcome is Outcome.SCORED
    assert episode.grade.score == pytest.approx(0.15)
    assert episode.reward.total == pytest.approx(0.8)
    assert episode.trajectory.steps[2].observation.cell in OUTLIVED.get(death, {CellStatus.DIED})


@pytest.mark.parametrize("death", ["kills itself", "segfaults"])
async def test_dying_without_a_submission_is_unscored_and_not_infrastructure(stage, task, process_sandbox, death):
    episode = await Attempt(stage.crew((DEATHS[death],), sandbox=process_sandbox), task, 0).play()
    assert (episode.outcome, episode.stop_reason) == (Outcome.UNSCORED, StopReason.SESSION_DIED)
    assert episode.reward.total == 0.0


async def test_a_file_written_but_not_submitted_before_dying_counts(stage, task, process_sandbox):
    episode = await Attempt(stage.crew((WRITE, DEATHS["exits"]), sandbox=process_sandbox), task, 0).play()
    assert episode.grade.score == pytest.approx(0.15)


async def test_files_and_names_are_gone_after_a_timeout_and_the_episode_goes_on(stage, task, process_sandbox):
    limits = replace(stage.rules().limits, cell_timeout_s=4, episode_timeout_s=600)
    script = (
        "kept = 1",
        "open('note', 'w').close()\nwhile True: pass",
        "import os; print('kept' in globals(), os.listdir())",
    )
    crew = stage.crew(script, sandbox=process_sandbox, rules=stage.rules(limits=limits))
    episode = await Attempt(crew, task, 0).play()
    steps = episode.trajectory.steps
    assert steps[1].observation.cell is CellStatus.TIMEOUT
    assert "False ['data']" in steps[2].observation.text


async def test_a_link_to_a_file_outside_is_refused_and_reads_nothing(stage, task, process_sandbox):
    crew = stage.crew(
        ("import os; os.symlink('/etc/hostname', 'submission.csv')", "submit", "finish"), sandbox=process_sandbox
    )
    episode = await Attempt(crew, task, 0).play()
    assert (episode.outcome, episode.grade.valid) == (Outcome.UNSCORED, False)
    assert Path("/etc/hostname").read_text().strip() not in episode.grade.problem
    assert "link" in episode.grade.problem


async def test_a_sandbox_whose_canary_fails_takes_the_blame(stage, task, process_sandbox, monkeypatch):
    async def fail():
        raise SandboxError("the canary died, too")

    monkeypatch.setattr(process_sandbox, "check_health", fail)
    with pytest.raises(SandboxError, match="canary"):
        await Attempt(stage.crew((WRITE, DEATHS["exits"]), sandbox=process_sandbox), task, 0).play()
