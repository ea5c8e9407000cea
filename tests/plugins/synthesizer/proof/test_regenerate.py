"""Tasks made anew in a sandbox: what is as it was passes, what only pretends to be does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandmle.core.engine.tasks import write_task
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import SolutionRecord
from sandmle.plugins.synthesizer.proof.regenerate import Tools, regenerate

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def remade(stage, accepted, tmp_path: Path):
    """What is said of the accepted draft, changed and written with hashes that hold."""

    async def write_and_regenerate(
        change: Callable[[TaskDraft], TaskDraft] = lambda task: task, timeout_s: float = 60
    ) -> list[str]:
        written = write_task(tmp_path, change(accepted[0]))
        tools = Tools(sandbox=stage.sandbox, grader=stage.grader, timeout_s=timeout_s)
        problems = await regenerate(written.layout.root, tools)
        assert {problem.check for problem in problems} <= {"regenerated"}
        return [problem.message for problem in problems]

    return write_and_regenerate


def with_private(name: str, change: Callable[[bytes], bytes]) -> Callable[[TaskDraft], TaskDraft]:
    return lambda task: replace(task, private={**task.private, name: change(task.private[name])})


def of_other_versions(task: TaskDraft) -> TaskDraft:
    versions = {**task.spec.provenance.versions, "numpy": "0.1"}
    provenance = task.spec.provenance.model_copy(update={"versions": versions})
    return replace(task, spec=task.spec.model_copy(update={"provenance": provenance}))


def with_a_score(name: str, by: float) -> Callable[[TaskDraft], TaskDraft]:
    def change(task: TaskDraft) -> TaskDraft:
        solutions = tuple(
            one.model_copy(update={"score": one.score + by}) if one.name == name else one for one in task.spec.solutions
        )
        return replace(task, spec=task.spec.model_copy(update={"solutions": solutions}))

    return change


async def test_a_task_that_was_not_touched_comes_out_as_it_is(remade) -> None:
    assert await remade() == []


async def test_swapped_answers_are_found_though_every_hash_was_mended(remade) -> None:
    def swap(answers: bytes) -> bytes:
        first, second, *others = answers.splitlines()[1:]
        cells = [line.split(b",") for line in (first, second)]
        cells[0][1], cells[1][1] = cells[1][1], cells[0][1]
        return b"\n".join([answers.splitlines()[0], *(b",".join(row) for row in cells), *others, b""])

    assert await remade(with_private("answers.csv", swap)) == ["the script makes other files: private/answers.csv"]


async def test_a_board_that_the_solutions_do_not_earn_is_found(remade) -> None:
    [said] = await remade(with_a_score("shrunk-3", -0.01))
    assert said.startswith("shrunk-3 scores ")
    # Less than what another machine may give is no difference.
    assert await remade(lambda task: with_a_score("shrunk-4", 1e-5)(renamed(task))) == []


def renamed(task: TaskDraft) -> TaskDraft:
    return replace(task, spec=task.spec.model_copy(update={"task_id": "another-name-0000"}))


async def test_where_versions_differ_the_scores_decide(remade) -> None:
    # Another way of writing the same numbers, as another release of a library may have.
    longer = with_private("generate.py", lambda script: script.replace(b"clean[i].round(4)", b"clean[i].round(6)"))
    assert await remade(lambda task: of_other_versions(longer(task))) == []
    other = with_private("generate.py", lambda script: script.replace(b"3 * film", b"4 * film"))
    messages = await remade(lambda task: renamed(of_other_versions(other(task))))
    assert any(" scores " in message for message in messages)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda script: script[1:], "does not begin with its RNG_SEED"),
        (lambda script: script + b"\nraise SystemError('no')\n", "SystemError: no"),
        (lambda script: b"RNG_SEED = 1\nwhile True: pass\n", "still running after 5 s"),
        (lambda script: b"RNG_SEED = 1\n\xff", "is not UTF-8"),
    ],
)
async def test_a_script_that_cannot_be_run_again_is_a_problem(remade, change, said: str) -> None:
    [message] = await remade(with_private("generate.py", change), 5 if "running" in said else 60)
    assert said in message


def with_plan(old: bytes, new: bytes) -> Callable[[TaskDraft], TaskDraft]:
    def change(plan: bytes) -> bytes:
        assert old in plan
        return plan.replace(old, new, 1)

    return with_private("strategy.json", change)


def with_solutions(change: Callable[[list[SolutionRecord]], list[SolutionRecord]]) -> Callable[[TaskDraft], TaskDraft]:
    return lambda task: replace(
        task, spec=task.spec.model_copy(update={"solutions": tuple(change(list(task.spec.solutions)))})
    )


OUTSIDE = "../../../secret"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_private("generate.py", lambda script: b"RNG_SEED = " + b"9" * 5000 + b"\n" + script), "its RNG_SEED"),
        (
            with_plan(b'"metric": "rmse"', b'"metric": "none"'),
            "private/strategy.json: metric 'none' is not in the list",
        ),
        (with_plan(b'"kind": "id"', b'"kind": "number"'), "private/strategy.json: exactly one column of kind 'id'"),
        (with_plan(b'"train_rows": 120', b'"train_rows": 1e999'), "private/strategy.json: "),
        (
            with_solutions(lambda all_: [*all_[:-1], all_[-1].model_copy(update={"name": OUTSIDE})]),
            f"tells of a solution '{OUTSIDE}', of which there is no code",
        ),
        (with_solutions(lambda all_: [*all_, all_[-1]]), "names all different"),
        (with_solutions(lambda all_: all_[:3]), "the solutions in task.toml: "),
    ],
)
async def test_a_task_that_says_what_cannot_be_is_a_problem_and_no_crash(remade, tmp_path: Path, change, said) -> None:
    (tmp_path / "secret.py").write_text("print('of the user')\n")
    [message] = await remade(change)
    assert said in message


async def test_what_was_never_generated_cannot_be_made_anew(remade) -> None:
    def bare(task: TaskDraft) -> TaskDraft:
        return replace(task, private={name: task.private[name] for name in ("answers.csv", "leaderboard.csv")})

    [message] = await remade(bare)
    assert "strategy.json is not there" in message
