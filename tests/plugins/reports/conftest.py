"""Real task directories and run directories, written by the program's own writers, for the report to read."""

import hashlib
import io
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sandmle.core.engine.ledger import LedgerLine, open_corpus
from sandmle.core.engine.store import FailureRecord, open_store
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, Usage
from sandmle.core.types.reward import PRESETS, RewardBreakdown
from sandmle.core.types.sandbox import CellStatus, IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import TaskSpec
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

SCORES = [0.955, 0.941, 0.93, 0.912, 0.9, 0.884, 0.87, 0.84, 0.81, 0.77, 0.7, 0.5]
TIERS = {Medal.GOLD: 0.95, Medal.SILVER: 0.92, Medal.BRONZE: 0.9, Medal.NONE: 0.8}


class Records:
    """Builders of records; everything has a default that a test may replace."""

    def draft(self, task_id: str = "river-birds", modality: str = "tabular", **changes: Any) -> TaskDraft:
        """A draft whose public files suit its modality."""
        spec: dict[str, Any] = {
            "task_id": task_id,
            "title": f"Who nests at the river: {task_id}",
            "domain": "ornithology",
            "modality": modality,
            "task_type": "classification",
            "rule_family": "threshold-interactions",
            "noise_families": ["label-flips", "missing-cells"],
            "metric": {"name": "roc_auc", "direction": "max"},
            "submission": {
                "id_column": "id",
                "target_columns": ["nests"],
                "prediction": "probability",
                "classes": ["no", "yes"],
            },
            "rows": {"train": 120, "public_board": 200, "private_board": 1000},
            "dna": {"rows": 178, "columns": 13, "missing_share": 0.031},
            "thresholds": {"gold": 0.94, "silver": 0.912, "bronze": 0.9, "median": 0.87},
            "solutions": [
                {"name": "oracle", "score": 0.955, "code_sha256": ""},
                {"name": "boosted-trees", "score": 0.93, "code_sha256": "b" * 64},
                {"name": "dummy", "score": 0.5, "code_sha256": "c" * 64},
            ],
            "checks_passed": ["determinism", "leak-probe"],
            "provenance": {
                "generator_model": "offline/roles",
                "rng_seed": 7,
                "index": 0,
                "seed_id": "wine",
                "prompt_sha256": {},
                "versions": {"numpy": "2.3"},
                "content_sha256": {},
            },
        }
        board = "rank,score\n" + "".join(f"{rank},{score}\n" for rank, score in enumerate(SCORES, 1))
        public = self._public(modality)
        for name in ("title", "domain", "rule_family", "metric", "thresholds", "solutions", "task_type", "dna"):
            if name in changes:
                spec[name] = changes[name]
        return TaskDraft(
            spec=TaskSpec.model_validate(spec),
            description=changes.get(
                "description", f"# Task\n\nPredict **nests** for `id` of {task_id}.\n\n- one\n- two"
            ),
            public={**public, **changes.get("public", {})},
            private={
                "leaderboard.csv": changes.get("board", board).encode(),
                "answers.csv": b"id,nests,board\n1,no,public\n",
            },
        )

    def _public(self, modality: str) -> dict[str, bytes]:
        rest = {"test.csv": b"id\n1\n", "sample_submission.csv": b"id,nests\n1,0.5\n"}
        if modality == "text":
            text = "The heron stood in the shallow water and did not move until the light was gone from the reeds. " * 3
            rows = "".join(f'{n},"{text}number {n}",{"yes" if n % 2 else "no"}\n' for n in range(8))
            return {**rest, "train.csv": f"id,note,nests\n{rows}".encode()}
        if modality == "image":
            rows = "".join(f"{n},bird{n}.png,{'yes' if n % 2 else 'no'}\n" for n in range(9))
            pictures = {f"images/bird{n}.png": png(n) for n in range(9)}
            return {**rest, **pictures, "train.csv": f"id,image,nests\n{rows}".encode()}
        rows = "".join(f"{n},{n * 1.25:.2f},reed,{'yes' if n % 2 else 'no'}\n" for n in range(20))
        return {**rest, "train.csv": f"id,depth_m,plant,nests\n{rows}".encode()}

    def corpus(self, root: Path, drafts: Sequence[TaskDraft], rejected: Sequence[tuple[str, str]] = ()) -> Path:
        """A corpus with its ledger; `rejected` are (check, detail)."""
        with open_corpus(root, {"rng_seed": 7}) as corpus:
            for check, detail in rejected:
                self._commit(corpus, None, check, detail)
            for draft in drafts:
                self._commit(corpus, draft, None, draft.spec.title)
        return root

    def _commit(self, corpus: Any, draft: TaskDraft | None, check: str | None, detail: str) -> None:
        line = LedgerLine(
            index=len(corpus.lines),
            seed_id="wine",
            rng_seed=1,
            task_id=None if draft is None else draft.spec.task_id,
            check=check,
            detail=detail,
            tries={"ml-developer": 1},
        )
        corpus.commit(line, draft)

    def grade(self, medal: Medal | None, **changes: Any) -> Grade:
        """A grade that earns `medal`; None is an invalid one."""
        if medal is None:
            problem = changes.get("problem", "the column 'nests' is missing")
            return Grade(
                valid=False,
                score=None,
                public_score=None,
                medal=Medal.NONE,
                above_median=False,
                human_rank=None,
                problem=problem,
            )
        score = changes.get("score", TIERS[medal])
        rank = changes.get(
            "human_rank", {Medal.GOLD: 0.95, Medal.SILVER: 0.75, Medal.BRONZE: 0.6, Medal.NONE: 0.25}[medal]
        )
        return Grade(
            valid=True,
            score=score,
            public_score=score,
            medal=medal,
            above_median=medal is not Medal.NONE,
            human_rank=rank,
            problem=None,
        )

    def episode(
        self, task_id: str = "river-birds", slot: int = 0, medal: Medal | None = Medal.SILVER, **changes: Any
    ) -> Episode:
        """One finished episode of two turns."""
        grade = changes.get("grade", self.grade(medal))
        infrastructure = changes.get("outcome") is Outcome.INFRASTRUCTURE
        parts = self.parts(medal if grade is not None and grade.valid else None)
        weights = dict(PRESETS["release"])
        total = sum(weights[name] * value for name, value in parts.items())
        defaults: dict[str, Any] = {
            "episode_id": f"{task_id}/{slot}",
            "task_id": task_id,
            "slot": slot,
            "outcome": Outcome.SCORED if grade is not None and grade.valid else Outcome.UNSCORED,
            "stop_reason": None if infrastructure else StopReason.FINISHED,
            "model": "offline/agent",
            "scaffold": "react",
            "sandbox": "process",
            "level": IsolationLevel.L3,
            "feedback": FeedbackMode.PUBLIC_BOARD,
            "policy_version": 0,
            "trajectory": self.trajectory(grade=grade),
            "grade": grade,
            "thresholds": Thresholds(gold=0.94, silver=0.912, bronze=0.9, median=0.87),
            "direction": Direction.MAXIMIZE,
            "reward": None
            if infrastructure
            else RewardBreakdown(preset="release", total=total, parts=parts, weights=weights),
            "usage": Usage(prompt_tokens=900, completion_tokens=400),
            "timings": Timings(llm_s=1.5, start_s=0.02, run_s=2.25, grade_s=0.4, other_s=0.1),
            "attempts": 1,
            "failure": "SandboxError: the zygote is gone" if infrastructure else None,
            "started_at": f"2026-01-0{1 + slot % 5}T10:00:0{slot % 10}+00:00",
        }
        return Episode(**{**defaults, **changes})

    def parts(self, medal: Medal | None) -> dict[str, float]:
        """Release milestones of a medal."""
        order = [None, Medal.NONE, Medal.BRONZE, Medal.SILVER, Medal.GOLD]
        level = order.index(medal)
        return {
            "format": 1.0,
            "valid": float(level >= 1),
            "median": float(level >= 2),
            "bronze": float(level >= 2),
            "silver": float(level >= 3),
            "gold": float(level >= 4),
        }

    def trajectory(
        self,
        *,
        thought: str = "I look at the columns first.",
        code: str = "import pandas as pd\nprint(pd.read_csv('data/train.csv').head())",
        seen: str = "   id  depth_m plant nests\n0   0     0.00  reed    no",
        grade: Grade | None = None,
        turns: int = 2,
    ) -> Trajectory:
        """Code in every turn but the last, which submits."""
        entries = [TranscriptEntry(message=Message(role="system", content="You are an engineer. Use <code>."))]
        steps = []
        for turn in range(turns):
            last = turn == turns - 1
            text = (
                f"<think>{thought}</think>\n<tool_call>submit</tool_call>"
                if last
                else f"<think>{thought}</think>\n<code>{code}</code>"
            )
            reply = ModelReply(
                text=text,
                usage=Usage(prompt_tokens=400, completion_tokens=200),
                sampled_ids=(1, 2),
                log_probs=(-0.1, -0.2),
                prompt_ids=(1,),
            )
            entries.append(TranscriptEntry(message=Message(role="assistant", content=text), reply=reply, turn=turn))
            observation = (
                Observation(text="The submission is valid.", grade=grade)
                if last
                else Observation(text=seen, cell=CellStatus.OK)
            )
            entries.append(TranscriptEntry(message=Message(role="user", content=observation.text)))
            action = Action(kind=ActionKind.SUBMIT) if last else Action(kind=ActionKind.RUN_CODE, code=code)
            steps.append(Step(action=action, observation=observation, turn=turn, wall_s=0.75))
        return Trajectory(segments=(Segment(entries=tuple(entries)),), steps=tuple(steps))

    def run(
        self,
        root: Path,
        episodes: Sequence[Episode],
        *,
        task_hashes: dict[str, str] | None = None,
        group_size: int = 2,
        failures: Sequence[FailureRecord] = (),
    ) -> Path:
        """A run directory with its configuration."""
        hashes = task_hashes or {episode.task_id: "0" * 64 for episode in episodes}
        config = {"run": {"model": "offline/agent", "group_size": group_size}, "tasks": hashes}
        with open_store(root, config) as store:
            for episode in episodes:
                store.add_episode(episode)
            for failure in failures:
                store.add_failure(failure)
        return root

    def hashes(self, corpus: Path) -> dict[str, str]:
        """Task to the hash of its task.toml, as a run records it."""
        return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in corpus.glob("*/task.toml")}


def png(shade: int, side: int = 12) -> bytes:
    """A small real picture."""
    picture = Image.new("L", (side, side))
    picture.putdata([(x * y * 3 + 29 * shade) % 256 for y in range(side) for x in range(side)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def html_of() -> Callable[..., str]:
    """The page of a corpus and runs, as text."""
    from sandmle.plugins.reports.build import build
    from sandmle.plugins.reports.page import gather

    def make(tasks: Path | None, *runs: Path) -> str:
        return build(gather(tasks, runs, made_at="2026-01-01 00:00 UTC", version="0")).html.decode()

    return make


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: the page is not tried in a real browser")
    return found


BROWSER = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=2000 --dump-dom"
)


@pytest.fixture
def browsed(chromium, tmp_path) -> Callable[..., str]:
    """What a page is like in a real browser, as text, once a script has run in it: a reader's hands, or a ruler."""

    def browse(html: str, script: str, *, fragment: str = "", width: int = 1400) -> str:
        # The policy would stop the script too, so it is taken out here; its own test is elsewhere.
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
        file = tmp_path / "browsed.html"
        file.write_text(html.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
        own = [f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}"]
        command = [chromium, *BROWSER.split(), *own, file.as_uri() + fragment]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return browse
