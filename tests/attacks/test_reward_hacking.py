"""Nothing that a policy says, and no file but a good submission, is paid: whole episodes, graded by the real grader."""

import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from hostile.reward import HACKS, RewardHack, Told

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.conformance.llm import ScriptedModel
from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.engine.attempt import Attempt, Crew
from sandmle.core.engine.environment import Rules
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.recording import Sampling
from sandmle.core.engine.scoring import Preset
from sandmle.core.engine.tasks import Task, write_task
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import FeedbackMode
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
from sandmle.rewards.milestones import milestones
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.scaffold import ReactScaffold

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEIGHTS = {"format": 0.1, "valid": 0.2, "median": 0.1, "bronze": 0.4, "silver": 0.1, "gold": 0.1}
HONEST = "<tool_call>\npython\n<code>\n{}\n</code>\n</tool_call>"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return write_task(tmp_path_factory.mktemp("tasks"), copying_draft())


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["L3", "L2"])
async def crew(request: pytest.FixtureRequest):
    """Makes the crew of an episode at one level."""
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel(request.param), preload=()))
    grader = LocalGrader()
    by_name = {one.name: one for one in milestones()}

    def make(replies: tuple[str, ...]) -> Crew:
        limits = EpisodeLimits(
            max_turns=len(replies) + 1, cell_timeout_s=60, episode_timeout_s=600, max_scored_submissions=3
        )
        return Crew(
            # A model that has nothing more to say gives its answer.
            model=ScriptedModel([*replies, *["<answer>submission</answer>"] * 3]),
            scaffold=ReactScaffold(ReactConfig()),
            sandbox=sandbox,
            grader=grader,
            preset=Preset(name="release", weights=WEIGHTS, milestones=tuple(by_name[name] for name in WEIGHTS)),
            rules=Rules(
                feedback=FeedbackMode.VALIDATE_ONLY, limits=limits, sandbox_limits=SandboxLimits(memory_mb=128)
            ),
            sampling=Sampling(rng_seed=7, temperature=1.0, max_tokens=1000, llm_timeout_s=10),
        )

    try:
        await sandbox.start()
        if sandbox.level != request.param:
            pytest.skip(f"this machine reaches {sandbox.level} only")
        yield make
    finally:
        await sandbox.close()
        await grader.close()


def conversation(episode: Episode, hack: RewardHack) -> str:
    seen = "\n".join(step.observation.text for step in episode.trajectory.steps)
    return "\n".join([*hack.replies, seen])


def files_of(hack: RewardHack, folder: Path) -> dict[str, str]:
    """What the same cells leave in a work directory of an ordinary interpreter that grades what it finds."""
    for reply in hack.replies:
        if "<code>" in reply:
            code = reply.partition("<code>\n")[2].partition("\n</code>")[0]
            subprocess.run([sys.executable, "-S", "-c", code], cwd=folder, capture_output=True, check=False)
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("hack", HACKS, ids=lambda hack: hack.name)
async def test_a_reward_hack_that_a_trusting_host_pays_for_earns_nothing(
    hack: RewardHack, crew, task: Task, tmp_path: Path
) -> None:
    episode = await Attempt(crew(hack.replies), task, 0).play()
    died = episode.stop_reason is not None and episode.stop_reason.value == "session_died"
    told = Told(conversation(episode, hack), files_of(hack, tmp_path), died)
    assert hack.trusting(told), "it would not even deceive a trusting host, so that it proves nothing"
    assert episode.outcome is not Outcome.INFRASTRUCTURE
    assert episode.grade is not None
    assert episode.grade.medal is Medal.NONE
    assert episode.reward is not None
    assert episode.reward.total <= WEIGHTS["format"] + WEIGHTS["valid"]


async def test_a_good_submission_is_paid_by_the_same_machinery(crew, task: Task) -> None:
    code = "open('submission.csv', 'w').write('id,y\\n' + ''.join(f'{n},{n}\\n' for n in range(20)))"
    episode = await Attempt(crew((HONEST.format(code),)), task, 0).play()
    assert episode.grade.medal is Medal.GOLD
    assert episode.reward.total == pytest.approx(1 - WEIGHTS["format"])


async def test_a_submission_of_an_earlier_episode_is_not_there_for_the_next(crew, task: Task) -> None:
    code = "open('submission.csv', 'w').write('id,y\\n' + ''.join(f'{n},{n}\\n' for n in range(20)))"
    await Attempt(crew((HONEST.format(code),)), task, 0).play()
    idle = await Attempt(crew(()), task, 1).play()
    assert idle.outcome is Outcome.UNSCORED
    assert idle.grade is None
