"""The scripted agent under the tree searches: real data, the real process sandbox, both scaffolds."""

import csv
import io
import json
import random

import pytest
import pytest_asyncio

from sandmle.core.conformance.scaffold import ScriptedEpisode, play
from sandmle.core.contracts.scaffold import EpisodeLimits, TaskView
from sandmle.core.types.message import Message
from sandmle.core.types.sandbox import FetchedFiles, SandboxLimits
from sandmle.core.types.trajectory import ActionKind, Observation, StopReason
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.tree.player import play_tree
from sandmle.plugins.llms.offline.agent.tree.prompts import look_of
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
from sandmle.scaffolds.aide.config import AideConfig
from sandmle.scaffolds.aide.scaffold import AideScaffold
from sandmle.scaffolds.aira.config import AiraConfig
from sandmle.scaffolds.aira.scaffold import AiraScaffold

TEST = 40
LIMITS = EpisodeLimits(max_turns=20, cell_timeout_s=120.0, episode_timeout_s=600.0, max_scored_submissions=3)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A regression on two numbers and a category, with holes."""
    root, rng = tmp_path_factory.mktemp("task"), random.Random(3)
    rows = []
    for at in range(80 + TEST):
        a, b = rng.gauss(0, 1), rng.gauss(0, 1)
        rows.append([f"r{at}", "" if rng.random() < 0.1 else f"{a:.3f}", f"{b:.3f}", rng.choice("uvw"), f"{a * b:.4f}"])
    sample = [[row[0], "0.5"] for row in rows[80:]]
    for name, table in (
        ("train", [["id", "a", "b", "c", "y"], *rows[:80]]),
        ("test", [["id", "a", "b", "c"], *(row[:-1] for row in rows[80:])]),
        ("sample_submission", [["id", "y"], *sample]),
    ):
        with (root / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(table)
    return root


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    opened = ProcessSandbox(ProcessConfig(zygotes=1))
    await opened.start()
    yield opened
    await opened.close()


class Work(ScriptedEpisode):
    """An episode whose cells run in a real session and whose submissions are checked for their columns."""

    def __init__(self, session, strength):
        super().__init__(
            lambda messages, turn: play_tree(messages, strength, turn) or "",
            task=TaskView(task_id="t", description="Predict y. The metric is `rmse`.", files=()),
            limits=LIMITS,
        )
        self._session = session

    async def act(self, action):
        if action.kind not in (ActionKind.RUN_CODE, ActionKind.SUBMIT):
            return await super().act(action)
        if action.kind is ActionKind.RUN_CODE:
            result = await self._session.run(action.code, 120.0)
            seen = Observation(text=f"{result.stdout}\n{result.stderr}", cell=result.status)
        else:
            table = await self.table()
            valid = table is not None and table[0] == ["id", "y"]
            seen = Observation(text="The submission is valid." if valid else "The submission is not valid: no")
        self.actions.append(action)
        self.observations.append(seen)
        return seen

    async def table(self):
        fetched = await self._session.fetch("submission.csv", 10**6)
        if not isinstance(fetched, FetchedFiles):
            return None
        return list(csv.reader(io.StringIO(fetched.files["submission.csv"].decode())))


@pytest.mark.parametrize("strength", [Strength.MIDDLE, Strength.WEAK])
@pytest.mark.parametrize(
    "scaffold",
    [AideScaffold(AideConfig(num_drafts=1, steps=2)), AiraScaffold(AiraConfig(num_drafts=1, steps=2))],
    ids=lambda one: one.name,
)
@pytest.mark.asyncio(loop_scope="module")
async def test_it_ends_with_a_submission_of_the_right_form(scaffold, strength, sandbox, task):
    async with sandbox.session(public_dir=task, limits=SandboxLimits()) as session:
        episode = Work(session, strength)
        assert await play(scaffold, episode) is StopReason.FINISHED
        table = await episode.table()
    seen = "\n".join(one.text for one in episode.observations)
    assert table is not None, seen
    assert len(table) == TEST + 1
    if strength is Strength.MIDDLE:
        assert table[0] == ["id", "y"]
        assert "Traceback" not in seen
        reviews = [json.loads(reply.partition("</think>\n")[2]) for reply in episode.replies[1::2]]
        assert [(one["is_bug"], one["lower_is_better"]) for one in reviews] == [(False, True)] * 2
        first, second = (one["metric"] for one in reviews)
        # What stands in the end is the better of the two, and the record says so.
        notes = [one.code.splitlines()[0] for one in episode.actions if one.kind is ActionKind.RUN_CODE]
        stands = [note for note in notes if "is to stand" in note]
        if scaffold.name == "aide":
            assert f"attempt {int(second < first)} is to stand" in stands[-1]
        assert "improve of attempt 0" in "\n".join(notes)


def test_a_conversation_of_another_scaffold_is_left_to_others():
    assert play_tree([Message(role="user", content="# Task\n")], Strength.MIDDLE, 0) is None
    react = [Message(role="system", content="tools"), Message(role="user", content="## Description\n\nx")]
    assert play_tree(react, Strength.MIDDLE, 0) is None


def test_the_overview_becomes_the_agents_own_look():
    overview = (
        "data/\n  test.csv (41 lines)\n  images/\n    a.png (3 bytes)\n    and 99 more files\n\n"
        "data/sample_submission.csv: 40 rows, 2 columns.\n- id (object): 40 values, such as ['r1', 'r2']\n"
        "- y (float64): 1 values, ['0.5']\n\ndata/test.csv: 40 rows, 2 columns.\n"
        "- id (object): 40 values, such as ['r1', 'r2']\n- a (int64): from 1 to 9\n\n"
        "data/train.csv: 80 rows, 3 columns.\n- id (object): 80 values, such as ['r3']\n- a (int64): from 1 to 9\n"
        "- y (float64): from 0.1 to 0.9, 3 missing"
    )
    files, sample, *columns = look_of(overview).splitlines()
    assert json.loads(files.removeprefix("FILES ")) == {".": 1, "images": 100}
    assert json.loads(sample.removeprefix("SAMPLE ")) == {"columns": ["id", "y"], "first": ["r1", "0.5"]}
    found = [json.loads(line.removeprefix("COLUMN ")) for line in columns]
    assert [(one["name"], one["kind"], one["in_test"]) for one in found] == [
        ("id", "text", True),
        ("a", "number", True),
        ("y", "number", False),
    ]
    assert look_of("data/train.csv: 80 rows, 90 columns. Columns: a, b and 88 more") == ""
