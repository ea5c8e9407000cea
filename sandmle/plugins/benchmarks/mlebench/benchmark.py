"""`mlebench`: competitions of an MLE-bench checkout as a benchmark of ours, graded by MLE-bench's own code.

What the agent sees is `prepared/public` and nothing else; leaderboards and answers stay with the checkout and its data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from sandmle.core.contracts.grader import Grader
from sandmle.core.engine.board_files import read_board, score_column
from sandmle.core.engine.boards import PositionBoard
from sandmle.core.engine.doctor import Finding
from sandmle.core.errors import BoardError, TaskError
from sandmle.core.types.episode import Episode
from sandmle.core.types.score import Direction, Grade, Medal
from sandmle.plugins.benchmarks.evaluating import Conditions, Documents
from sandmle.plugins.benchmarks.mlebench.listing import (
    DEFAULT_SPLIT,
    competitions_in,
    labels_of,
    modality_of,
    splits_of,
)
from sandmle.plugins.benchmarks.mlebench.report import report_documents
from sandmle.plugins.benchmarks.peers.bridging import (
    checkout_finding,
    data_findings,
    described,
    grader_of,
    place_of,
)
from sandmle.plugins.benchmarks.peers.checkout import board_flaw, commit_of
from sandmle.plugins.benchmarks.peers.config import PeerConfig, check_checkout
from sandmle.plugins.benchmarks.peers.examining import many, package_findings
from sandmle.plugins.benchmarks.peers.grader import invalid
from sandmle.plugins.benchmarks.peers.process import PeerPlace
from sandmle.plugins.benchmarks.peers.selection import Selection
from sandmle.plugins.benchmarks.peers.views import Competition, read_record, view_folder, write_views

NAME: Final = "mle-bench"
PACKAGE: Final = "mlebench"
REPOSITORY: Final = "openai/mle-bench"
DESCRIBE_S: Final = 600.0
"""For all competitions together; importing the libraries of 82 graders takes minutes on a cold disk."""
NEEDED: Final = {
    "pandas": "pandas",
    "numpy": "numpy",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "yaml": "pyyaml",
    "tqdm": "tqdm",
    "appdirs": "appdirs",
    "diskcache": "diskcache",
    "tenacity": "tenacity",
    "py7zr": "py7zr",
}
"""Module to distribution, without which MLE-bench's grading does not import."""
OPTIONAL: Final = {
    "kaggle": "kaggle: downloading data",
    "Levenshtein": "levenshtein: the grader of three competitions",
    "pyquaternion": "pyquaternion: the grader of 3d-object-detection-for-autonomous-vehicles",
    "pycocotools": "pycocotools: the grader of vinbigdata-chest-xray-abnormalities-detection",
    "tensorflow": "tensorflow: the grader of one competition",
}
_THRESHOLDS: Final = ("gold", "silver", "bronze", "median")


@dataclass(frozen=True, slots=True, kw_only=True)
class MleBench:
    """The competitions of a split."""

    config: PeerConfig
    public_board: ClassVar[bool] = False

    @property
    def data(self) -> Path:
        """The data directory."""
        if self.config.data is not None:
            return self.config.data.absolute()
        if self.config.export is not None:
            return (self.config.export / "data").absolute()
        # Where `mlebench prepare` puts it when told nothing (its registry's DEFAULT_DATA_DIR, on Linux).
        return Path.home() / ".cache" / "mle-bench" / "data"

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
            splits={"all": known} if exported else splits_of(self.config.checkout, known),
            default=DEFAULT_SPLIT,
            folders=lambda one: [self.data / one / "prepared" / part for part in ("public", "private")],
            labels=labels_of,
        )

    def raw_folder(self, competition_id: str) -> Path:
        """Where its raw files are looked for before anything is downloaded."""
        return self.data / competition_id / "raw"

    def task_dirs(self) -> Sequence[Path]:
        """Task directories of the split's competitions, in its order.

        Raises:
            TaskError: the checkout, its data or its code cannot be used; the message says what to do.
        """
        ids, _ = self.selection.playable()
        for one in ids:
            flaw = board_flaw(self.competitions_dir / one / "leaderboard.csv", self.config.checkout)
            if flaw is not None and flaw.fatal:
                raise TaskError(f"the leaderboard of {one} {flaw.detail}; {flaw.remedy}")
        said = described(self.place(), self._arguments(), ids, DESCRIBE_S, PACKAGE)
        version = commit_of(self.config.checkout)
        found = [self._competition(one, reply, version) for one, reply in said.items()]
        return write_views(found, self.config.work_folder)

    def open_grader(self) -> Grader:
        """A grader that asks MLE-bench's `grade_csv`."""
        return grader_of(self.config, self.place(), self._arguments(), read_verdict)

    def report(self, episodes: Sequence[Episode], conditions: Conditions) -> Documents:
        """MLE-bench's report of all runs together, and one for each seed as its aggregation script takes them."""
        ids, left_out = self.selection.playable()
        unanswered = {one: dict(read_record(view_folder(self.config.work_folder, one))["unanswered"]) for one in ids}
        return report_documents(episodes, conditions, unanswered, left_out)

    async def examine(self) -> Sequence[Finding]:
        """What stands in the way: checkout, packages, boards, data, token, rules."""
        found = checkout_finding(self.config, lambda: self.selection)
        if found.verdict == "failed":
            return [found]
        selection = self.selection
        ids = selection.ids()
        findings = [found, *package_findings(self.config, self.place(), NEEDED, OPTIONAL)]
        boards = {one: board_flaw(self.competitions_dir / one / "leaderboard.csv", self.config.checkout) for one in ids}
        flaws = {one: (flaw.detail, flaw.remedy) for one, flaw in boards.items() if flaw is not None}
        findings += many("leaderboard", flaws, f"{len(ids)} boards are there")
        return [*findings, *data_findings(selection)]

    def place(self, *, kaggle: bool = False) -> PeerPlace:
        """Where its code is run; with Kaggle's variables only to prepare."""
        return place_of(self.config, Path(__file__).with_name("worker.py"), kaggle=kaggle)

    def prepare_request(self, competition_id: str, *, keep_raw: bool, verify: bool) -> dict[str, Any]:
        """What its process is asked to prepare a competition."""
        words = {"competition_id": competition_id, "keep_raw": keep_raw, "verify": verify}
        return {"op": "prepare", **self._arguments(), **words}

    def _arguments(self) -> dict[str, Any]:
        registry = "sandmle_mlebench:registry" if self.config.export is not None else "mlebench.registry:registry"
        return {"registry": registry, "data": str(self.data)}

    def _competition(self, competition_id: str, said: Mapping[str, Any], version: str) -> Competition:
        nothing = {name: value for name, value in said["unanswered"].items() if name != "created_at"}
        here = self.competitions_dir / competition_id
        hashed = {"leaderboard.csv": Path(said["leaderboard"]), "answers": Path(said["answers"])}
        return Competition(
            competition_id=competition_id,
            title=said["title"],
            benchmark=NAME,
            version=version,
            description=said["description"],
            public=self.data / competition_id / "prepared" / "public",
            sample_submission=Path(said["sample_submission"]),
            metric=said["metric"],
            direction=Direction.MINIMIZE if nothing["is_lower_better"] else Direction.MAXIMIZE,
            modality=modality_of(self.config.checkout, competition_id),
            thresholds={name: nothing[f"{name}_threshold"] for name in _THRESHOLDS},
            hashed={**hashed, **({"grade.py": here / "grade.py"} if (here / "grade.py").is_file() else {})},
            unanswered=nothing,
            exported=self.config.export is not None,
            leaderboard=Path(said["leaderboard"]),
        )


def read_verdict(reply: Mapping[str, Any], record: Mapping[str, Any]) -> Grade:
    """MLE-bench's report as a `Grade`; HumanRank, which MLE-bench does not know, is the place on its board."""
    if "unreadable" in reply:
        grade = invalid(f"the file cannot be read as CSV: {reply['unreadable']}")
        return replace(grade, report={**record["unanswered"], "submission_exists": True})
    report = reply["report"]
    if not report["valid_submission"]:
        return replace(invalid(reply["problem"] or "the grader gave no score"), report=report)
    medals = [medal for medal in (Medal.GOLD, Medal.SILVER, Medal.BRONZE) if report[f"{medal.value}_medal"]]
    direction = Direction.MINIMIZE if report["is_lower_better"] else Direction.MAXIMIZE
    return Grade(
        valid=True,
        score=report["score"],
        public_score=None,
        medal=medals[0] if medals else Medal.NONE,
        above_median=report["above_median"],
        human_rank=_rank(record["leaderboard"], direction, report["score"]),
        problem=None,
        report=report,
    )


def _rank(leaderboard: str | None, direction: Direction, score: float) -> float | None:
    if leaderboard is None:
        return None
    try:
        return PositionBoard(score_column(read_board(Path(leaderboard))), direction).place(score).position_score
    except BoardError:
        return None
