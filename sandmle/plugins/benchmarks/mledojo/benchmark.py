"""`mledojo`: competitions of an MLE-Dojo checkout as a benchmark of ours, judged by MLE-Dojo's own code.

The agent's code runs in our sandbox and sees `data/public`; MLE-Dojo's own shows it the labels. With `inside` the
episodes take place in MLE-Dojo's own environment all the same, for comparisons.
"""

import filecmp
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from sandmle.core.contracts.grader import Grader
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.doctor import Finding
from sandmle.core.errors import TaskError
from sandmle.core.types.episode import Episode
from sandmle.core.types.score import Direction, Grade, Medal
from sandmle.plugins.benchmarks.evaluating import Conditions, Documents
from sandmle.plugins.benchmarks.mledojo.inside import DojoSandbox, Door
from sandmle.plugins.benchmarks.mledojo.listing import (
    DEFAULT_SPLIT,
    category_of,
    competitions_in,
    labels_of,
    modality_of,
    splits_of,
)
from sandmle.plugins.benchmarks.mledojo.report import report_documents
from sandmle.plugins.benchmarks.peers.bridging import (
    checkout_finding,
    data_findings,
    described,
    grader_of,
    place_of,
)
from sandmle.plugins.benchmarks.peers.checkout import board_flaw, commit_of
from sandmle.plugins.benchmarks.peers.config import MleDojoConfig, check_checkout
from sandmle.plugins.benchmarks.peers.examining import many, package_findings
from sandmle.plugins.benchmarks.peers.grader import invalid
from sandmle.plugins.benchmarks.peers.process import PeerFailedError, PeerPlace
from sandmle.plugins.benchmarks.peers.selection import Selection
from sandmle.plugins.benchmarks.peers.views import Competition, write_views

NAME: Final = "mle-dojo"
PACKAGE: Final = "mledojo"
REPOSITORY: Final = "MLE-Dojo/MLE-Dojo"
DESCRIBE_S: Final = 900.0
"""For all competitions together."""
BOARDS: Final = ("private_leaderboard.csv", "public_leaderboard.csv")
NEEDED: Final = {
    "pandas": "pandas",
    "numpy": "numpy",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "yaml": "pyyaml",
    "tqdm": "tqdm",
    "py7zr": "py7zr",
    "gymnasium": "gymnasium==1.0.0",
    "psutil": "psutil",
    "rich": "rich",
}
"""Module to distribution, without which MLE-Dojo's environment and scoring do not import."""
OPTIONAL: Final = {"kaggle": "kaggle: downloading data", "Levenshtein": "levenshtein: the metric of two competitions"}
AGENTS_FAULT: Final = ("InvalidSubmissionError", "EvaluationError", "SubmissionNotFoundError")
"""MLE-Dojo's names for what a submission can get wrong; all other errors are its own, until the sample shows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MleDojo:
    """The competitions of a set."""

    config: MleDojoConfig
    public_board: ClassVar[bool] = False

    @property
    def data(self) -> Path:
        """The data directory: MLE-Dojo's own default is `data/prepared` where its script is run."""
        default = self.config.export / "data" if self.config.export else self.config.checkout / "data" / "prepared"
        return (self.config.data or default).absolute()

    @property
    def competitions_dir(self) -> Path:
        """Where competitions lie, one folder each."""
        return (self.config.export or self.config.checkout / PACKAGE) / "competitions"

    @property
    def selection(self) -> Selection:
        """Which competitions are meant.

        Raises:
            TaskError: this is no checkout.
        """
        check_checkout(self.config, PACKAGE, REPOSITORY)
        known = competitions_in(self.competitions_dir)
        exported = self.config.export is not None
        return Selection(
            benchmark=PACKAGE,
            config=self.config,
            data=self.data,
            splits={"all": known} if exported else splits_of(self.competitions_dir, known),
            default=DEFAULT_SPLIT,
            folders=lambda one: [self.data / one / "data" / part for part in ("public", "private")],
            labels=labels_of,
        )

    def raw_folder(self, competition_id: str) -> Path:
        """Where its raw files are looked for before anything is downloaded."""
        return self.data / competition_id / "raw"

    def task_dirs(self) -> Sequence[Path]:
        """Task directories of the set's competitions, in its order.

        Raises:
            TaskError: the checkout, its data or its code cannot be used; the message says what to do.
        """
        ids, _ = self.selection.playable()
        for one, (detail, remedy) in self._board_problems(ids).items():
            raise TaskError(f"the board of {one} {detail}; {remedy}")
        said = described(self.place(), self._arguments(), ids, DESCRIBE_S, PACKAGE)
        version = commit_of(self.config.checkout)
        found = [self._competition(one, reply, version) for one, reply in said.items()]
        return write_views(found, self.config.work_folder)

    def open_grader(self) -> Grader:
        """A grader that asks what MLE-Dojo's environment asks of a submission."""
        return grader_of(self.config, self.place(), self._arguments(), read_verdict)

    def open_sandbox(self) -> Sandbox | None:
        """MLE-Dojo's own environment, where `inside` asks for it."""
        if not self.config.inside:
            return None
        output = self.config.work_folder / "environments"
        return DojoSandbox(Door(place=self.place(), arguments={**self._arguments(), "output": str(output)}))

    def report(self, episodes: Sequence[Episode], conditions: Conditions) -> Documents:
        """Tables of each competition, of each set, and of all."""
        ids, left_out = self.selection.playable()
        categories = {one: category_of(self.competitions_dir, one) for one in ids}
        return report_documents(episodes, conditions, categories, left_out)

    async def examine(self) -> Sequence[Finding]:
        """What stands in the way: checkout, packages, boards, data, token, rules."""
        found = checkout_finding(self.config, lambda: self.selection)
        if found.verdict == "failed":
            return [found]
        selection = self.selection
        findings = [found, *package_findings(self.config, self.place(), NEEDED, OPTIONAL)]
        prepared = [one for one in selection.ids() if selection.is_prepared(one)]
        findings += many("leaderboard", self._board_problems(prepared), f"{len(prepared)} competitions have boards")
        other = {
            one: (f"{self.data / one}: {what}", "copy it again from the checkout's info/")
            for one in prepared
            for what in self._other_boards(one)
        }
        findings += many("re-downloaded board", other, "boards are those of the checkout")
        return [*findings, *data_findings(selection)]

    def place(self, *, kaggle: bool = False) -> PeerPlace:
        """Where its code is run; with Kaggle's variables only to prepare."""
        return place_of(self.config, Path(__file__).with_name("worker.py"), kaggle=kaggle)

    def prepare_request(self, competition_id: str, *, keep_raw: bool, verify: bool) -> dict[str, Any]:
        """What its process is asked to prepare a competition. MLE-Dojo keeps raw files, and has no checksums."""
        words = {"competition_id": competition_id, "info": str(self.competitions_dir / competition_id / "info")}
        return {"op": "prepare", **self._arguments(), **words}

    def _arguments(self) -> dict[str, Any]:
        return {"export": "sandmle_mledojo" if self.config.export is not None else "", "data": str(self.data)}

    def _board_problems(self, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Boards by which no place can be told. MLE-Dojo leaves out a missing board, and gives 0 without any."""
        problems = {}
        for one in ids:
            private = self.data / one / "data" / "private"
            boards = [private / name for name in BOARDS if (private / name).is_file()]
            if not boards:
                lost = "is missing, so that every HumanRank would be 0"
                problems[one] = (lost, f"copy info/*_leaderboard.csv to {private}")
            for board in boards:
                flaw = board_flaw(board, self.config.checkout)
                if flaw is not None and flaw.fatal:
                    problems[one] = (
                        f"({board.name}) {flaw.detail}",
                        f"copy it again from the checkout's info/ to {private}",
                    )
        return problems

    def _other_boards(self, competition_id: str) -> list[str]:
        ours, theirs = self.data / competition_id / "data" / "private", self.competitions_dir / competition_id / "info"
        both = [name for name in BOARDS if (ours / name).is_file() and (theirs / name).is_file()]
        return [
            f"{name} is not the checkout's own: HumanRank would be another"
            for name in both
            if not filecmp.cmp(ours / name, theirs / name, shallow=False)
        ]

    def _competition(self, competition_id: str, said: Mapping[str, Any], version: str) -> Competition:
        home, here = self.data / competition_id / "data", self.competitions_dir / competition_id
        category = category_of(self.competitions_dir, competition_id)
        files = {"test_answer.csv": home / "private" / "test_answer.csv", "metric.py": here / "utils" / "metric.py"}
        boards = {name: home / "private" / name for name in BOARDS}
        return Competition(
            competition_id=competition_id,
            title=competition_id,
            benchmark=NAME,
            version=version,
            description=said["description"],
            public=home / "public",
            sample_submission=home / "public" / "sample_submission.csv",
            metric=said["metric"],
            direction=Direction.MAXIMIZE if said["higher_is_better"] else Direction.MINIMIZE,
            modality=modality_of(category),
            thresholds=None,
            hashed={name: path for name, path in {**files, **boards}.items() if path.is_file()},
            unanswered={"status": "FAILED", "error": "no submission"},
            exported=self.config.export is not None,
        )


def read_verdict(reply: Mapping[str, Any], record: Mapping[str, Any]) -> Grade:
    """MLE-Dojo's verdict as a `Grade`: HumanRank is its average position score, and there are no medals.

    Raises:
        PeerFailedError: it failed for what may not be the submission's fault.
    """
    if reply["status"] != "SUCCESS":
        message = f"{reply.get('error', '')}: {reply.get('details', '')}".strip(": ")
        if reply.get("error_type") not in AGENTS_FAULT:
            raise PeerFailedError(str(reply.get("error_type")), message)
        return replace(invalid(message), report=dict(reply))
    score = float(reply["raw_score"])
    return Grade(
        valid=True,
        score=score,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=float(reply["position_score"].get("avg_score", 0.0)),
        problem=None,
        report=dict(reply) if math.isfinite(score) else {**reply, "raw_score": str(score)},
    )
