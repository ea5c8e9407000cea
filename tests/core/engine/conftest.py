"""A hand-made task, and a sandbox, a model and a scaffold that do as a test tells them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.conformance import copying
from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeLimits
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.environment import Rules
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.recording import Sampling
from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.scoring import Preset
from sandmle.core.engine.store import open_store, read_episodes, read_failures
from sandmle.core.engine.tasks import Task, write_task
from sandmle.core.errors import SandboxError
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, Usage
from sandmle.core.types.reward import RewardBreakdown
from sandmle.core.types.sandbox import (
    CellResult,
    CellStatus,
    FetchedFiles,
    FetchRefusal,
    IsolationLevel,
    SandboxLimits,
)
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.trajectory import (
    Action,
    ActionKind,
    FeedbackMode,
    Observation,
    Segment,
    Step,
    StopReason,
    Trajectory,
    TranscriptEntry,
)
from sandmle.rewards.milestones import milestones

N_ROWS = 20
"""Test rows of the hand-made task; the even ones are on the private board."""


def submission(error: float) -> bytes:
    """A valid submission to the hand-made task whose root mean squared error is `error` on both boards."""
    return ("id,y\n" + "".join(f"{row},{row + error}\n" for row in range(N_ROWS))).encode()


def copying_draft(task_id: str) -> TaskDraft:
    """The sample task with two pictures, and a sample submission that is off by 5."""
    draft = copying.copying_draft(task_id, test_rows=N_ROWS)
    more = {"sample_submission.csv": submission(5), "pictures/a.png": b"a", "pictures/b.png": b"b"}
    return replace(draft, public={**draft.public, **more})


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[..., Task]:
    return lambda task_id="copy": write_task(tmp_path / "tasks", copying_draft(task_id))


@pytest.fixture
def task(make_task) -> Task:
    return make_task()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grader() -> AsyncIterator[LocalGrader]:
    made = LocalGrader()
    yield made
    await made.close()


@dataclass
class PuppetSession:
    """Understands `write ERROR`, `junk`, `link`, `die`, `hang` and `break`; anything else is printed back."""

    owner: "PuppetSandbox"
    files: dict[str, bytes | str] = field(default_factory=dict)
    dead: bool = False

    async def run(self, code: str, timeout_s: float) -> CellResult:
        self.owner.ran.append(code)
        word, _, rest = code.partition(" ")
        status, out = CellStatus.OK, ""
        match word:
            case "write":
                self.files["submission.csv"] = submission(float(rest))
            case "junk":
                self.files["submission.csv"] = b"nothing,here\n"
            case "link":
                self.files["submission.csv"] = "is a symbolic link"
            case "big":
                self.files["submission.csv"] = "is larger than 3 bytes"
            case "die":
                self.dead, status = True, CellStatus.DIED
            case "hang":
                self.dead, status = True, CellStatus.TIMEOUT
            case "break":
                raise SandboxError("the zygote is gone")
            case "stall":
                await asyncio.sleep(0.05)
            case _:
                out = code
        return CellResult(status=status, stdout=out, stderr="", wall_s=0.0)

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        content = self.files.get(path, "does not exist")
        if isinstance(content, str):
            return FetchRefusal(path=path, reason=content)
        return FetchedFiles(files={path: content})

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        return FetchedFiles(files={name: found for name, found in self.files.items() if isinstance(found, bytes)})

    async def end(self) -> None:
        self.dead = True


@dataclass
class PuppetSandbox:
    """Fails as often as it is told to."""

    name: str = "puppet"
    level: IsolationLevel = IsolationLevel.L2
    canary_fails: bool = False
    refuse_sessions: int = 0
    opening_s: float = 0.0
    open_sessions: int = 0
    opened: int = 0
    most_open: int = 0
    shown: list[Path | None] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    async def start(self) -> None:
        pass

    @asynccontextmanager
    async def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[PuppetSession]:
        if self.refuse_sessions > 0:
            self.refuse_sessions -= 1
            raise SandboxError("no session to be had")
        await asyncio.sleep(self.opening_s)
        self.shown.append(public_dir)
        self.opened += 1
        self.open_sessions += 1
        self.most_open = max(self.most_open, self.open_sessions)
        try:
            yield PuppetSession(self)
        finally:
            self.open_sessions -= 1

    async def check_health(self) -> None:
        if self.canary_fails:
            raise SandboxError("the canary died, too")

    async def close(self) -> None:
        pass


@dataclass
class PuppetModel:
    """Answers with the lines of a script, one per reply; the last one again when they run out."""

    script: Sequence[str]
    name: str = "puppet/model"
    asked: list[ReplyOptions] = field(default_factory=list)

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        self.asked.append(options)
        turn = sum(message.role == "assistant" for message in messages)
        text = self.script[min(turn, len(self.script) - 1)]
        ids = tuple(range(len(text.split())))
        return ModelReply(
            text=text,
            usage=Usage(prompt_tokens=3, completion_tokens=len(ids)),
            prompt_ids=(1, 2, 3),
            sampled_ids=ids,
            log_probs=tuple(-0.5 - one for one in ids),
        )

    async def close(self) -> None:
        pass


@dataclass
class PuppetScaffold:
    """Each reply is one action: `submit`, `finish`, `mumble`, or a cell."""

    name: str = "puppet"
    before: Callable[[EpisodeContext], None] = lambda episode: None

    async def run(self, episode: EpisodeContext) -> None:
        self.before(episode)
        conversation = [Message(role="user", content=episode.task.description)]
        while True:
            reply = await episode.ask(conversation)
            word = reply.text.removeprefix("<think>so</think>")
            match word:
                case "submit":
                    action = Action(kind=ActionKind.SUBMIT)
                case "finish":
                    action = Action(kind=ActionKind.FINISH)
                case "mumble":
                    action = Action(kind=ActionKind.INVALID, problem="say something")
                case _:
                    action = Action(kind=ActionKind.RUN_CODE, code=word)
            seen = await episode.act(action)
            conversation += [
                Message(role="assistant", content=reply.text),
                Message(role="user", content=seen.text),
            ]

    def mermaid(self) -> str:
        return ""


@dataclass
class Played:
    episodes: list
    failures: list
    events: list


@pytest.fixture
def play(task, tmp_path):
    """Play a run of one task to its end and read its records back."""

    async def run(crew, *, k=1, concurrency=2, retries=2, tasks=None, drain=None):
        events = []
        plan = Plan(
            run_id="run",
            tasks=tasks or [task],
            group_size=k,
            concurrency=concurrency,
            infrastructure_retries=retries,
        )
        with open_store(tmp_path / "run", {"run": {"k": k}}) as store:
            await Rollout(crew, plan, store, events.append).run(drain or asyncio.Event())
        return Played(list(read_episodes(tmp_path / "run")), list(read_failures(tmp_path / "run")), events)

    return run


LIMITS = EpisodeLimits(max_turns=12, cell_timeout_s=60, episode_timeout_s=600, max_scored_submissions=2)
RELEASE = {"format": 0.1, "valid": 0.2, "median": 0.1, "bronze": 0.4, "silver": 0.1, "gold": 0.1}


@dataclass(frozen=True)
class Stage:
    """Makes the pieces of a test's episode."""

    grader: LocalGrader

    def rules(self, feedback: FeedbackMode = FeedbackMode.PUBLIC_BOARD, limits: EpisodeLimits = LIMITS) -> Rules:
        return Rules(feedback=feedback, limits=limits)

    def crew(self, script: Sequence[str], *, sandbox: PuppetSandbox | None = None, **changes: object) -> Crew:
        by_name = {one.name: one for one in milestones()}
        pieces: dict[str, object] = {
            "model": PuppetModel(script),
            "scaffold": PuppetScaffold(),
            "sandbox": sandbox or PuppetSandbox(),
            "grader": self.grader,
            "preset": Preset(name="release", weights=RELEASE, milestones=tuple(by_name[name] for name in RELEASE)),
            "rules": self.rules(),
            "sampling": Sampling(rng_seed=7, temperature=1.0, max_tokens=100, llm_timeout_s=10),
        }
        return Crew(**{**pieces, **changes})


@pytest.fixture
def stage(grader: LocalGrader) -> Stage:
    return Stage(grader)


@pytest.fixture
def puppet_sandbox() -> PuppetSandbox:
    return PuppetSandbox()


@pytest.fixture
def puppets() -> dict[str, type]:
    """The puppets' classes, for tests that make their own."""
    return {"sandbox": PuppetSandbox, "model": PuppetModel, "scaffold": PuppetScaffold}


def _episode(
    *,
    task_id: str = "a",
    slot: int = 0,
    score: float | None = 0.3,
    medal: Medal = Medal.BRONZE,
    above_median: bool = True,
    human_rank: float | None = 0.5,
    outcome: Outcome = Outcome.SCORED,
    reward: float | None = 0.7,
    replies: Sequence[str] = ("<think>so</think>finish",),
    cell: CellStatus | None = CellStatus.OK,
    log_probs: tuple[float, ...] | None = (-0.5,),
    **changes: object,
) -> Episode:
    scored = outcome is Outcome.SCORED
    grade = Grade(
        valid=scored,
        score=score if scored else None,
        public_score=score if scored else None,
        medal=medal if scored else Medal.NONE,
        above_median=above_median and scored,
        human_rank=human_rank if scored else None,
        problem=None if scored else "it is empty",
    )
    entries = [TranscriptEntry(message=Message(role="user", content="go"))]
    for turn, text in enumerate(replies):
        reply = ModelReply(text=text, prompt_ids=(1, 2), sampled_ids=(3,), log_probs=log_probs)
        entries.append(TranscriptEntry(message=Message(role="assistant", content=text), reply=reply, turn=turn))
    seen = Observation(text="out", cell=cell)
    step = Step(action=Action(kind=ActionKind.RUN_CODE, code="1"), observation=seen, turn=0, wall_s=0.25)
    infrastructure = outcome is Outcome.INFRASTRUCTURE
    breakdown = RewardBreakdown(preset="release", total=reward, parts={"gold": reward}, weights={"gold": 1.0})
    fields: dict[str, object] = {
        "episode_id": f"{task_id}/{slot}",
        "task_id": task_id,
        "slot": slot,
        "outcome": outcome,
        "stop_reason": None if infrastructure else StopReason.FINISHED,
        "model": "puppet/model",
        "scaffold": "puppet",
        "sandbox": "puppet",
        "level": IsolationLevel.L2,
        "feedback": FeedbackMode.PUBLIC_BOARD,
        "policy_version": 0,
        "trajectory": Trajectory(segments=(Segment(entries=tuple(entries)),), steps=(step,)),
        "grade": None if infrastructure else grade,
        "thresholds": Thresholds(gold=0.1, silver=0.2, bronze=0.4, median=0.5),
        "direction": Direction.MINIMIZE,
        "reward": None if infrastructure else breakdown,
        "usage": Usage(prompt_tokens=3, completion_tokens=1, cost_usd=0.01),
        "timings": Timings(llm_s=1.5, run_s=0.25),
        "attempts": 3 if infrastructure else 1,
        "failure": "SandboxError: gone" if infrastructure else None,
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    return Episode(**{**fields, **changes})


@pytest.fixture
def make_episode() -> Callable[..., Episode]:
    """Episodes made by hand, of a minimized metric with thresholds 0.1, 0.2, 0.4 and 0.5."""
    return _episode
