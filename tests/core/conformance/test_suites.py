"""Each suite passes what is built in and says in words what is wrong with something broken."""

import random
from dataclasses import replace

import pytest

from sandmle.core.conformance.benchmark import check_benchmark
from sandmle.core.conformance.draft_check import check_draft_check
from sandmle.core.conformance.drafts import SEED, sample_draft, sample_evidence
from sandmle.core.conformance.episodes import sample_episodes
from sandmle.core.conformance.milestone import check_milestone
from sandmle.core.conformance.seeds import check_seed_source
from sandmle.core.conformance.tracker import check_tracker
from sandmle.core.engine.tasks import verify_task, write_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import PluginError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.synthesis import TaskProblem
from sandmle.core.types.task import TaskLayout


@pytest.fixture(scope="module")
def toolkit():
    return open_toolkit()


@pytest.fixture
def tasks(tmp_path):
    write_task(tmp_path / "tasks", sample_draft())
    return tmp_path / "tasks"


# The samples


def test_the_sample_task_is_a_task_that_can_be_verified(tasks):
    assert list(verify_task(tasks / "sample-orchard")) == []


def test_the_built_in_checks_find_nothing_wrong_with_the_sample(toolkit):
    assert toolkit.plugins.check_task(sample_draft(), sample_evidence()) == []


# Milestones


def test_every_built_in_milestone_passes(toolkit):
    for name in toolkit.registry.names(Kind.MILESTONE):
        check_milestone(toolkit.make(Kind.MILESTONE, name))


def raising(episode):
    raise ZeroDivisionError("nothing to divide")


MOODS = random.Random(0)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (raising, "milestone 'odd' failed on an episode (medal gold, 3 steps, ended as finished): ZeroDivisionError"),
        (lambda episode: 2.0, "gave 2.0 for an episode"),
        (lambda episode: -0.1, "gave -0.1 for an episode"),
        (lambda episode: float("nan"), "gave nan"),
        (lambda episode: "high", "gave 'high'"),
        (lambda episode: episode.grade.score, "failed on an episode (no submission"),
        (lambda episode: MOODS.random(), "is not pure"),
    ],
)
def test_a_broken_milestone_is_told_what_is_wrong(value, complaint):
    class Odd:
        name = "odd"

        def value(self, episode):
            return value(episode)

    with pytest.raises(PluginError) as caught:
        check_milestone(Odd())
    assert complaint in str(caught.value)


def test_episodes_of_ones_own_are_judged_too():
    class Particular:
        name = "particular"

        def value(self, episode):
            return 7.0 if episode.slot == 9 else 0.0

    own = replace(sample_episodes()[0], slot=9)
    check_milestone(Particular())
    with pytest.raises(PluginError, match=r"gave 7\.0"):
        check_milestone(Particular(), [own])


# Seeds


def test_the_built_in_seeds_pass(toolkit):
    check_seed_source(toolkit.make(Kind.SEEDS, "builtin"))


@pytest.mark.parametrize(
    ("seeds", "complaint"),
    [
        (list, "has no seeds"),
        (lambda: None, "gave a NoneType"),
        (lambda: ["iris"], "gave a str among its seeds"),
        (lambda: [SEED, SEED], "two seeds with the id 'sample-fruit'"),
        (lambda: [replace(SEED, metric="acuracy")], "no metric 'acuracy'; did you mean 'accuracy'?"),
        (lambda: [replace(SEED, metric="rmse")], "metric 'rmse' does not suit classification"),
        (lambda: [replace(SEED, modality="table")], "no modality 'table'"),
        (lambda: [replace(SEED, dna={})], "its DNA is empty"),
        (lambda: [replace(SEED, dna={"rows": float("nan")})], "facts are finite"),
        (lambda: [replace(SEED, dna={"rows": [1]})], "DNA 'rows' is a list"),
        (lambda: [replace(SEED, title=str(MOODS.random()))], "the second time"),
        (lambda: [][0], "failed in its seeds(): IndexError"),
    ],
)
def test_a_broken_source_of_seeds_is_told_what_is_wrong(seeds, complaint):
    class Odd:
        def seeds(self):
            return seeds()

    with pytest.raises(PluginError) as caught:
        check_seed_source(Odd(), "seeds 'odd'")
    assert complaint in str(caught.value)


# Trackers


def test_every_built_in_tracker_passes(toolkit, tmp_path):
    for name in toolkit.registry.names(Kind.TRACKER):
        options = {"path": str(tmp_path / name)} if name in ("jsonl", "csv") else {}
        check_tracker(toolkit.registry.make(Kind.TRACKER, name, options))


class Calm:
    def record(self, event): ...
    def close(self): ...


class KnowsAllFields(Calm):
    def record(self, event):
        _ = event.run_id


class Prints(Calm):
    def record(self, event):
        print(event)


class ClosesOnce(Calm):
    def __init__(self):
        self.open = ["file"]

    def close(self):
        self.open.pop()


class HearsNothing(Calm):
    def record(self): ...


@pytest.mark.parametrize(
    ("tracker", "complaint"),
    [
        (KnowsAllFields(), "failed on UnheardOf: AttributeError"),
        (Prints(), "prints on stdout"),
        (ClosesOnce(), "closed a second time"),
        (HearsNothing(), "`record()` cannot be called as `record(event)`"),
    ],
)
def test_a_broken_tracker_is_told_what_is_wrong(tracker, complaint):
    with pytest.raises(PluginError) as caught:
        check_tracker(tracker)
    assert complaint in str(caught.value)


# Benchmarks


def test_the_built_in_corpus_passes(toolkit, tasks):
    check_benchmark(toolkit.registry.make(Kind.BENCHMARK, "corpus", {"path": str(tasks)}))


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        (lambda tasks: [], "has no tasks"),
        (lambda tasks: None, "gave a NoneType"),
        (lambda tasks: [str(tasks)], "holds a str"),
        (lambda tasks: [tasks], "is not a task directory: it has no task.toml"),
        (lambda tasks: [tasks / "sample-orchard"] * 2, "two tasks with the id 'sample-orchard'"),
        (lambda tasks: [tasks / "sample-orchard"][:: MOODS.choice((1, 2))] + [tasks][9], "failed in its task_dirs()"),
    ],
)
def test_a_broken_benchmark_is_told_what_is_wrong(tasks, listed, complaint):
    class Odd:
        def task_dirs(self):
            return listed(tasks)

    with pytest.raises(PluginError) as caught:
        check_benchmark(Odd(), "benchmark 'odd'")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda task: TaskLayout(task).answers.unlink(), "is incomplete: it has no private/answers.csv"),
        (lambda task: TaskLayout(task).spec.write_text("=="), "is not TOML"),
        (lambda task: TaskLayout(task).spec.write_text("title = 3"), "task.toml: task_id: Field required"),
    ],
)
def test_a_harmed_task_of_a_benchmark_is_named(tasks, harm, complaint):
    class Mine:
        def task_dirs(self):
            return [tasks / "sample-orchard"]

    harm(tasks / "sample-orchard")
    with pytest.raises(PluginError) as caught:
        check_benchmark(Mine())
    assert complaint in str(caught.value)


# Checks of drafts


def test_the_built_in_checks_of_drafts_pass():
    from sandmle.plugins.synthesizer.plugin import sandmle_check_task

    check_draft_check(sandmle_check_task)


@pytest.mark.parametrize(
    ("judge", "complaint"),
    [
        (lambda task, evidence: None, "gave a NoneType"),
        (lambda task, evidence: ["bad"], "gave a str in its list"),
        (lambda task, evidence: [TaskProblem(check="Too Short!", message="m")], "'Too Short!' is no name"),
        (lambda task, evidence: [TaskProblem(check="short", message=" ")], "has no message"),
        (lambda task, evidence: task.public["gone.csv"], "failed instead of judging: KeyError: 'gone.csv'"),
        (lambda task: [], "failed instead of judging: TypeError"),
        (lambda task, evidence: [TaskProblem(check="mood", message=str(MOODS.random()))], "in two ways"),
    ],
)
def test_a_broken_check_of_drafts_is_told_what_is_wrong(judge, complaint):
    with pytest.raises(PluginError) as caught:
        check_draft_check(judge, "the check of 'odd'")
    assert complaint in str(caught.value)
