"""The scripted agent at work: real data, the real process sandbox, the ReAct scaffold."""

import csv
import io
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from sandmle.core.conformance.scaffold import ScriptedEpisode, play
from sandmle.core.contracts.scaffold import TaskView
from sandmle.core.types.sandbox import FetchedFiles, SandboxLimits
from sandmle.core.types.trajectory import ActionKind, Observation, StopReason
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.player import play as agent
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
from sandmle.scaffolds.react.config import ReactConfig
from sandmle.scaffolds.react.scaffold import ReactScaffold

TRAIN, TEST = 80, 40


@dataclass(frozen=True)
class Case:
    metric: str
    columns: tuple[str, ...]
    cells: object
    """(rng) to the cells of one row and its target."""
    sample: tuple[str, ...] = ("y",)
    first: str = "0.5"


def _numbers(rng):
    a, b = rng.gauss(0, 1), rng.gauss(0, 1)
    return ["" if rng.random() < 0.1 else f"{a:.3f}", f"{b:.3f}", rng.choice("uvw")], a * b


def _regression(rng):
    cells, signal = _numbers(rng)
    return cells, f"{signal:.4f}"


def _positive(rng):
    cells, signal = _numbers(rng)
    return cells, f"{abs(signal):.4f}"


def _binary(rng):
    cells, signal = _numbers(rng)
    return cells, "yes" if signal > 0 else "no"


def _three(rng):
    cells, signal = _numbers(rng)
    return cells, "lo" if signal < -0.4 else "hi" if signal > 0.4 else "mid"


def _grades(rng):
    cells, signal = _numbers(rng)
    return cells, str(sum(signal > cut for cut in (-0.6, 0.0, 0.6)))


def _note(rng):
    words = [rng.choice(("river", "stone", "cloud", "engine", "valve", "not")) for _ in range(12)]
    return [" ".join(words)], "wet" if words.count("river") + words.count("cloud") > 4 else "dry"


def _dated(rng):
    month = rng.randint(1, 12)
    return [f"2023-{month:02d}-{rng.randint(1, 28):02d}", f"AB-{rng.randint(1, 9)}-Q{rng.randint(10, 99)}"], str(month)


CASES = {
    "regression": Case("rmse", ("a", "b", "c"), _regression),
    "logarithmic": Case("rmsle", ("a", "b", "c"), _positive),
    "binary": Case("roc_auc", ("a", "b", "c"), _binary),
    "labels": Case("balanced_accuracy", ("a", "b", "c"), _three, first="mid"),
    "class columns": Case("log_loss", ("a", "b", "c"), _three, sample=("mid", "hi", "lo"), first="0.33"),
    "ordered": Case("qwk", ("a", "b", "c"), _grades, first="1"),
    "text": Case("f1_macro", ("note",), _note, first="dry"),
    "dates and codes": Case("spearman", ("day", "code"), _dated),
    "pictures": Case("accuracy", ("photo",), None, first="dark"),
}


def _write_table(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def make_task(root: Path, case: Case) -> None:
    rng = random.Random(3)
    rows = []
    for at in range(TRAIN + TEST):
        if case.cells is None:
            shade = rng.randint(0, 255)
            (root / "images").mkdir(exist_ok=True)
            Image.new("L", (10, 10), shade).save(root / "images" / f"p{at}.png")
            cells, target = [f"p{at}.png"], "dark" if shade < 128 else "light"
        else:
            cells, target = case.cells(rng)
        rows.append([f"r{at}", *cells, target])
    _write_table(root / "train.csv", ["id", *case.columns, "y"], rows[:TRAIN])
    _write_table(root / "test.csv", ["id", *case.columns], [row[:-1] for row in rows[TRAIN:]])
    sample = [[row[0], *[case.first] * len(case.sample)] for row in rows[TRAIN:]]
    _write_table(root / "sample_submission.csv", ["id", *case.sample], sample)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    opened = ProcessSandbox(ProcessConfig(zygotes=1))
    await opened.start()
    yield opened
    await opened.close()


class Work(ScriptedEpisode):
    """An episode whose cells run in a real session and whose submissions are checked for their columns."""

    def __init__(self, session, case, strength):
        super().__init__(
            lambda messages, turn: agent(messages, strength, turn),
            task=TaskView(task_id="t", description=f"Predict y. The metric is `{case.metric}`.", files=()),
        )
        self._session, self._header = session, ["id", *case.sample]
        self.table = None

    async def act(self, action):
        if action.kind is ActionKind.RUN_CODE:
            result = await self._session.run(action.code, 60.0)
            seen = Observation(text=f"{result.stdout}\n{result.stderr}", cell=result.status)
        elif action.kind is ActionKind.SUBMIT:
            fetched = await self._session.fetch("submission.csv", 10**6)
            assert isinstance(fetched, FetchedFiles), fetched
            table = list(csv.reader(io.StringIO(fetched.files["submission.csv"].decode())))
            valid = table[0] == self._header
            self.table = table if valid else None
            seen = Observation(text="The submission is valid." if valid else f"The submission is not valid: {table[0]}")
        else:
            return await super().act(action)
        self.actions.append(action)
        self.observations.append(seen)
        return seen


@pytest.mark.parametrize("strength", list(Strength))
@pytest.mark.parametrize("name", CASES)
@pytest.mark.asyncio(loop_scope="module")
async def test_it_hands_in_a_submission_of_the_right_form(name, strength, sandbox, tmp_path):
    case = CASES[name]
    make_task(tmp_path, case)
    async with sandbox.session(public_dir=tmp_path, limits=SandboxLimits()) as session:
        episode = Work(session, case, strength)
        assert await play(ReactScaffold(ReactConfig()), episode) is StopReason.FINISHED
    seen = "\n".join(one.text for one in episode.observations)
    assert episode.table is not None, seen
    assert len(episode.table) == TEST + 1
    assert all(all(cell != "" for cell in row) for row in episode.table)
    if strength is not Strength.WEAK:
        assert "Traceback" not in seen
        assert len(episode.actions) == 4
    if strength is Strength.STRONG and name in ("dates and codes", "pictures", "text"):
        constant = {tuple(row[1:]) for row in episode.table[1:]}
        assert len(constant) > 1
