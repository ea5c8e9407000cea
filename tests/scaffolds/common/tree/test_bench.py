"""Which cells are run so that the best attempt's submission stands."""

import pytest

from sandmle.core.conformance.scaffold import ScriptedEpisode
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import ActionKind, Observation
from sandmle.scaffolds.common.tree.bench import OUTPUT_CHARS, Bench
from sandmle.scaffolds.common.tree.board import Told, read_verdict
from sandmle.scaffolds.common.tree.journal import Attempt, Operator


def attempt(number):
    return Attempt(number=number, operator=Operator.DRAFT, parent=None, plan="p", code=f"print({number})")


def last_lines(episode):
    return [one.code.splitlines()[-1] if one.kind is ActionKind.RUN_CODE else one.kind.value for one in episode.actions]


async def test_the_tools_are_sent_once_and_the_first_line_says_what_for():
    episode = ScriptedEpisode([""])
    bench = Bench(episode, "aide")
    await bench.run(attempt(0), "because")
    await bench.put_up(attempt(0), "it is the best")
    await bench.put_up(attempt(0), "it is the best")
    assert [one.code.splitlines()[0] for one in episode.actions] == [
        "# aide: attempt 0, draft: because",
        "# aide: the submission of attempt 0 is to stand: it is the best",
    ]
    assert ["def run_program" in one.code for one in episode.actions] == [True, False]


async def test_after_a_timeout_the_best_runs_again_before_it_can_stand():
    statuses = iter([CellStatus.OK, CellStatus.OK, CellStatus.TIMEOUT])
    episode = ScriptedEpisode([""], lambda action: Observation(text="", cell=next(statuses, CellStatus.OK)))
    bench = Bench(episode, "aira")
    await bench.run(attempt(0), "a")
    await bench.put_up(attempt(0), "b")
    ran = await bench.run(attempt(1), "c")
    assert ran.failed
    # The environment took what stood as submitted, so nothing has to be done for it.
    await bench.put_up(attempt(0), "d")
    assert len(episode.actions) == 3
    await bench.run(attempt(2), "e")
    await bench.submit(attempt(2))
    await bench.put_up(attempt(0), "f")
    assert "def run_program" in episode.actions[3].code
    assert 'print(0)\n""", put=True)' in episode.actions[-1].code


async def test_what_is_looked_at_stands_and_the_best_comes_back():
    texts = {
        ActionKind.SUBMIT: "The submission is valid.\nScore on the public board: 0.75 (accuracy, higher is better)"
    }
    episode = ScriptedEpisode([""], lambda action: Observation(text=texts.get(action.kind, ""), cell=CellStatus.OK))
    bench = Bench(episode, "aira")
    for number in (0, 1):
        await bench.run(attempt(number), "a")
        told = await bench.submit(attempt(number))
        await bench.put_up(attempt(0), "it is still the best")
    assert told == Told(valid=True, verdict="The submission is valid.", public=0.75)
    assert last_lines(episode)[1:3] == ["put_up(0, clear=True)", "submit"]
    assert last_lines(episode)[-3:] == ["put_up(1, clear=True)", "submit", "put_up(0)"]


async def test_output_keeps_its_head_and_tail():
    episode = ScriptedEpisode([""], lambda action: Observation(text="H" + "x" * 9000 + "T", cell=CellStatus.ERROR))
    ran = await Bench(episode, "aide").run(attempt(0), "a")
    assert (len(ran.output), ran.output[0], ran.output[-1], ran.failed) == (OUTPUT_CHARS, "H", "T", True)


async def test_without_a_look_the_files_are_named():
    episode = ScriptedEpisode([""], lambda action: Observation(text="Traceback", cell=CellStatus.ERROR))
    assert await Bench(episode, "aide").preview() == "data/train.csv\ndata/test.csv\ndata/sample_submission.csv"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "The submission is not valid: no id",
            Told(valid=False, verdict="The submission is not valid: no id", public=None),
        ),
        ("The submission is valid.", Told(valid=True, verdict="The submission is valid.", public=None)),
        (
            "The submission is valid.\nScore on the public board: not computed (mae, lower is better)",
            Told(valid=True, verdict="The submission is valid.", public=None),
        ),
        (
            "The submission is valid.\nScore on the private board: 0.9; medal: gold",
            Told(valid=True, verdict="The submission is valid.", public=None),
        ),
        ("The submission is valid. All 3 scored", Told(valid=True, verdict="The submission is valid.", public=None)),
        ("", Told(valid=False, verdict="", public=None)),
    ],
)
def test_a_verdict_tells_validity_and_the_public_score_and_nothing_hidden(text, told):
    assert read_verdict(text) == told
