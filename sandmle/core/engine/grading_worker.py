"""The grading process: answers requests on its standard input until that closes.

Started by `grading.LocalGrader` with a clean environment. Submissions are hostile: this process has limits on
memory, files and CPU time per request, and nothing a library prints reaches the reply channel.
"""

import os
import resource
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from sandmle.core.engine.answers import AnswerKey, parse_answers
from sandmle.core.engine.board_files import read_board, second_column
from sandmle.core.engine.boards import (
    SCORE_DECIMALS,
    PositionBoard,
    above_median,
    medal_of,
)
from sandmle.core.engine.csv_table import InvalidSubmission
from sandmle.core.engine.grading_wire import PREFIX, decode_frame, encode_frame
from sandmle.core.engine.metrics import Array, check_truth, score
from sandmle.core.engine.resampling import draw_counts, resampled_scores, standard_error
from sandmle.core.engine.submissions import parse_submission
from sandmle.core.engine.tasks import read_spec
from sandmle.core.errors import BoardError, GraderError, TaskError, boundary
from sandmle.core.types.score import Medal, Prediction, Thresholds
from sandmle.core.types.task import SubmissionFormat, TaskLayout, TaskSpec

MEMORY_BYTES: Final = 4 * 2**30
"""Address space; scientific libraries reserve about 1.5 GiB of it without using it."""
CPU_S_PER_REQUEST: Final = 120
MATERIALS_KEPT: Final = 64
MESSAGE_BYTES: Final = 2**20
"""The only file this process writes to is its own standard error."""
SAME_PREDICTION: Final = 1e-6
"""Two predictions agree when they differ by less: probabilities absolutely, values in standard deviations."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What grading needs of a task."""

    spec: TaskSpec
    key: AnswerKey
    board: PositionBoard


class Materials:
    """Tasks as last read; read again when a file has changed."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[object, Material]] = {}

    def of(self, path: Path) -> Material:
        """The material of a task directory.

        Raises:
            TaskError: it is not usable.
        """
        layout = TaskLayout(path)
        try:
            # Tasks are written with constant file times, so the time of change has to tell versions apart.
            files = (layout.spec, layout.answers, layout.leaderboard)
            states = [file.stat() for file in files]
            for file, state in zip(files, states, strict=True):
                if not stat.S_ISREG(state.st_mode):
                    # Reading a pipe or a device would never end.
                    raise TaskError(f"{file} is not a regular file")
            stamp = [(state.st_ino, state.st_ctime_ns, state.st_size) for state in states]
            stamped, material = self._kept.pop(path, (None, None))
            if material is None or stamped != stamp:
                material = _read_material(path)
        except OSError as problem:
            raise TaskError(f"task {path}: cannot read {problem.filename}: {problem.strerror}") from problem
        except (BoardError, TaskError) as problem:
            raise TaskError(f"task {path}: {problem}") from problem
        self._kept[path] = (stamp, material)
        if len(self._kept) > MATERIALS_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return material


def _read_material(path: Path) -> Material:
    layout, spec = TaskLayout(path), read_spec(path)
    return Material(
        spec=spec,
        key=parse_answers(layout.answers.read_bytes(), spec.submission),
        board=PositionBoard(second_column(read_board(layout.leaderboard)), spec.metric.direction),
    )


def grade(material: Material, submission: bytes) -> Json:
    """The fields of a `Grade`. Scores are rounded as MLE-bench rounds them before ranking."""
    spec, key = material.spec, material.key
    try:
        private, public = _scores(key, spec.metric.name, predictions(submission, key, spec.metric.name))
    except InvalidSubmission as problem:
        return invalid(str(problem))
    value = round(private, SCORE_DECIMALS)
    thresholds = Thresholds(**spec.thresholds.model_dump())
    return {
        "valid": True,
        "score": value,
        "public_score": round(public, SCORE_DECIMALS),
        "medal": medal_of(value, thresholds, spec.metric.direction),
        "above_median": above_median(value, thresholds, spec.metric.direction),
        "human_rank": material.board.place(value).position_score,
        "problem": None,
    }


def invalid(problem: str) -> Json:
    """The fields of an invalid `Grade`."""
    return {
        "valid": False,
        "score": None,
        "public_score": None,
        "medal": Medal.NONE,
        "above_median": False,
        "human_rank": None,
        "problem": problem,
    }


def predictions(submission: bytes, key: AnswerKey, metric: str) -> Array:
    """Encoded predictions in the order of the answers: (rows,), or (rows, classes).

    Raises:
        InvalidSubmission: with the reason.
    """
    table = np.array(parse_submission(submission, key), dtype=float)
    array: Array = table[:, 0] if table.shape[1] == 1 else table
    if metric == "rmsle" and bool((array < 0).any()):
        lowest = int(array.argmin())
        raise InvalidSubmission(f"id {key.ids[lowest]!r}: rmsle needs predictions of 0 or more, not {array[lowest]}")
    return array


def _scores(key: AnswerKey, metric: str, array: Array) -> tuple[float, float]:
    """Private-board and public-board value of the metric.

    Raises:
        InvalidSubmission: the predictions overflow the metric.
        TaskError: the truth leaves the metric undefined.
    """
    truth, private = np.array(key.truth), np.array(key.private)
    both = []
    for rows in (private, ~private):
        value = score(metric, truth[rows], array[rows], len(key.classes))
        if not np.isfinite(value):
            raise InvalidSubmission(f"the predictions are so large that {metric} is not a finite number")
        both.append(value)
    return both[0], both[1]


def judge_draft(request: Json, parts: list[bytes]) -> Json:
    """Scores of submissions to answers that are no task yet; standard errors and agreement where asked."""
    form = SubmissionFormat.model_validate(request["form"])
    metric, key = request["metric"], parse_answers(parts[0], form)
    check_truth(metric, np.array(key.truth)[np.array(key.private)])
    scores: list[Json] = []
    arrays: list[Array | None] = []
    for submission in parts[1:]:
        array: Array | None = None
        try:
            array = predictions(submission, key, metric)
            private, public = _scores(key, metric, array)
            scores.append({"private": private, "public": public, "problem": None})
        except InvalidSubmission as problem:
            array = None
            scores.append({"private": None, "public": None, "problem": str(problem)})
        arrays.append(array)
    return {
        "scores": scores,
        "standard_errors": _standard_errors(request, key, arrays),
        "agreement": _agreement(key, arrays) if request["agreement"] else [],
        "halves": _halves(request, key, arrays) if request["halvings"] else [],
    }


def _standard_errors(request: Json, key: AnswerKey, arrays: list[Array | None]) -> list[float | None]:
    if not request["pairs"]:
        return []
    private = np.array(key.private)
    truth = np.array(key.truth)[private]
    counts = draw_counts(len(truth), request["n_resamples"], request["rng_seed"])
    resampled = {
        index: resampled_scores(request["metric"], truth, array[private], len(key.classes), counts)
        for index in {index for pair in request["pairs"] for index in pair}
        if (array := arrays[index]) is not None
    }
    return [
        standard_error(resampled[first], resampled[second]) if first in resampled and second in resampled else None
        for first, second in request["pairs"]
    ]


def _halves(request: Json, key: AnswerKey, arrays: list[Array | None]) -> list[list[float | None]]:
    """Scores of every submission on halves of the private-board rows: both of the first halving, of the second, ..."""
    private = np.array(key.private)
    truth = np.array(key.truth)[private]
    rng = np.random.default_rng(request["rng_seed"])
    first = np.array([rng.permutation(len(truth)) < len(truth) // 2 for _ in range(request["halvings"])], dtype=float)
    counts = np.stack([first, 1 - first], axis=1).reshape(-1, len(truth))

    def scored(array: Array | None) -> list[float | None]:
        if array is None:
            return [None] * len(counts)
        values = resampled_scores(request["metric"], truth, array[private], len(key.classes), counts)
        return [float(value) if np.isfinite(value) else None for value in values]

    return [scored(array) for array in arrays]


def _agreement(key: AnswerKey, arrays: list[Array | None]) -> list[list[float | None]]:
    private = np.array(key.private)
    unit = float(np.std(np.array(key.truth)[private])) if key.form.prediction is Prediction.VALUE else 1.0
    rows = [None if array is None else array[private].reshape(int(private.sum()), -1) for array in arrays]

    def share(first: Array | None, second: Array | None) -> float | None:
        if first is None or second is None:
            return None
        return float((np.abs(first - second).max(axis=1) <= SAME_PREDICTION * unit).mean())

    return [[share(first, second) for second in rows] for first in rows]


def handle(materials: Materials, request: Json, parts: list[bytes]) -> Json:
    """One reply. Whatever goes wrong is attributed: to the task, or to the grader itself."""
    try:
        with boundary(GraderError, f"grading process, {request['op']}"):
            if request["op"] == "grade":
                return {"grade": grade(materials.of(Path(request["task_dir"])), parts[0])}
            return judge_draft(request, parts)
    except TaskError as problem:
        return {"task_error": str(problem)}
    except GraderError as problem:
        if isinstance(problem.__cause__, MemoryError):
            # As good as dead: the caller finds out whether the submission or the machine is at fault.
            os._exit(1)
        return {"grader_error": str(problem)}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer frames until the requests end."""
    materials = Materials()
    while prefix := requests.read(PREFIX.size):
        header_length, body_length = PREFIX.unpack(prefix)
        text, body = requests.read(header_length), requests.read(body_length)
        _allow_cpu(CPU_S_PER_REQUEST)
        header, parts = decode_frame(text, body)
        replies.write(encode_frame(handle(materials, header, parts)))
        replies.flush()


def _allow_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + 1 + seconds, resource.RLIM_INFINITY))


def main() -> None:
    """Run the process: take the reply channel for ourselves, set the limits, serve."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MESSAGE_BYTES, MESSAGE_BYTES))
    serve(sys.stdin.buffer, replies)
