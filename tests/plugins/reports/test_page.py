"""The numbers on the page are the numbers of the records, whatever the records are."""

import math
import re
from html import unescape

import pytest

from sandmle.core.engine.evaluation import summarize
from sandmle.core.engine.store import FailureRecord
from sandmle.core.errors import RunError, TaskError, UsageError
from sandmle.core.types.episode import Outcome, Timings
from sandmle.core.types.reward import RewardBreakdown
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import FeedbackMode
from sandmle.plugins.reports import numbers
from sandmle.plugins.reports.build import build
from sandmle.plugins.reports.page import gather


def words(html: str) -> str:
    """The page's text without tags, runs of space as one."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def section(html: str, name: str) -> str:
    return words(html.split(f'<section id="{name}"')[1].split("<section id=")[0])


def gathered(tasks, *runs):
    return gather(tasks, runs, made_at="now", version="0")


@pytest.fixture
def corpus(records, tmp_path):
    drafts = [records.draft("a-one"), records.draft("b-two", "text"), records.draft("c-three", "image")]
    return records.corpus(
        tmp_path / "tasks", drafts, [("leak-probe", "order tells"), ("leak-probe", "x"), ("schema", "y")]
    )


@pytest.fixture
def episodes(records):
    medals = {"a-one": (Medal.GOLD, None), "b-two": (Medal.SILVER, Medal.NONE), "c-three": (Medal.BRONZE, Medal.GOLD)}
    return [records.episode(task, slot, medal) for task, pair in medals.items() for slot, medal in enumerate(pair)]


def test_means_and_intervals_are_those_of_the_evaluation(records, html_of, corpus, episodes, tmp_path):
    page = html_of(corpus, records.run(tmp_path / "run", episodes, task_hashes=records.hashes(corpus)))
    (summary,) = summarize(episodes)
    text = section(page, "agents")
    for estimate in (summary.human_rank, summary.reward):
        assert f"{estimate.mean:.3f} {estimate.low:.3f} to {estimate.high:.3f}" in text
    for estimate in (summary.any_medal, summary.gold, summary.above_median, summary.valid):
        assert f"{100 * estimate.mean:.1f} % {100 * estimate.low:.1f} to {100 * estimate.high:.1f} %" in text
    assert "bronze 1, gold 2, silver 1" in text
    assert "scored 5, unscored 1" in text


def test_the_matrix_gives_each_task_its_mean_and_its_medals(records, html_of, corpus, episodes, tmp_path):
    page = html_of(corpus, records.run(tmp_path / "run", episodes))
    assert "a-one Who nests at the river: a-one 0.475 G \u00d7" in section(page, "matrix")
    assert "c-three Who nests at the river: c-three 0.775 B G" in section(page, "matrix")


def test_rejections_are_counted_by_reason_with_the_first_case(html_of, corpus):
    text = section(html_of(corpus), "made")
    assert "6 drafts: 3 accepted , 3 rejected (50.0 % accepted)" in text
    assert "leak-probe 2 order tells schema 1 y" in text


def test_three_tasks_of_every_modality_stand_first_and_are_of_different_types(records, html_of, tmp_path):
    kinds = [("image", "classification")] * 5 + [("audio", "regression")] * 4 + [("image", "regression")] * 2
    drafts = [
        records.draft(f"t{n:02}-{modality}-{task_type}", modality, task_type=task_type)
        for n, (modality, task_type) in enumerate(kinds)
    ]
    page = html_of(records.corpus(tmp_path / "tasks", drafts))
    order = re.findall(r'<article class="card item" id="t-t\d\d-(\w+)-(\w+)"', page)
    assert len(order) == 11
    assert sorted(one for one, _ in order[:6]) == ["audio"] * 3 + ["image"] * 3
    assert len({kind for kind in order[:6] if kind[0] == "image"}) == 2


def test_a_corpus_alone_is_a_report(html_of, corpus):
    page = html_of(corpus)
    assert "No run was given" in page
    assert '<section id="agents"' not in page
    assert page.count('<article class="card') == 3
    assert page.count('src="data:image/png;base64,') == 9
    assert "The heron stood in the shallow water" in page


def test_a_run_alone_is_a_report_that_says_what_is_missing(records, html_of, episodes, tmp_path):
    page = html_of(None, records.run(tmp_path / "run", episodes))
    assert "No corpus was given" in page
    assert '<section id="made"' not in page
    assert "a-one 0.475 G \u00d7" in section(page, "matrix")


def test_an_empty_corpus_and_an_empty_run_say_that_they_are_empty(records, html_of, tmp_path):
    page = html_of(records.corpus(tmp_path / "tasks", []), records.run(tmp_path / "run", [], task_hashes={"a": "0"}))
    assert "The corpus holds no task." in page
    assert "The runs hold no finished episode yet." in page
    assert "Run run is incomplete: 0 of 2 episodes are recorded." in unescape(page)


def test_an_incomplete_run_says_how_many_of_how_many(records, episodes, tmp_path):
    hashes = {"a-one": "0", "b-two": "0", "c-three": "0", "d-four": "0"}
    page = gathered(None, records.run(tmp_path / "run", episodes, task_hashes=hashes))
    assert (page.episodes, page.expected) == (6, 8)
    assert "Run run is incomplete: 6 of 8 episodes are recorded." in page.caveats


def test_a_torn_last_line_is_left_out(records, episodes, tmp_path):
    run = records.run(tmp_path / "run", episodes)
    with (run / "episodes.jsonl").open("ab") as file:
        file.write(b'{"episode_id": "c-three/2", "tas')
    assert gathered(None, run).episodes == 6


def test_numbers_that_are_not_finite_are_shown_as_such_and_drawn_nowhere(records, html_of, tmp_path):
    draft = records.draft(
        thresholds={"gold": math.inf, "silver": 0.9, "bronze": 0.8, "median": math.nan},
        board="rank,score\n1,inf\n2,0.9\n3,nan\n4,\n5,-inf\n6,words\n",
    )
    odd = [
        records.episode(slot=slot, grade=records.grade(Medal.NONE, score=score, human_rank=rank))
        for slot, (score, rank) in enumerate([(math.nan, 0.0), (math.inf, math.nan), (-math.inf, 1.0), (1e308, 0.5)])
    ]
    unpaid = RewardBreakdown(preset="release", total=math.nan, parts={"format": math.nan, "valid": None}, weights={})
    odd.append(records.episode(slot=4, reward=unpaid))
    page = html_of(records.corpus(tmp_path / "tasks", [draft]), records.run(tmp_path / "run", odd))
    for value in re.findall(r'(?:x|y|x1|x2|y1|y2|cx|cy|width|height|viewBox)="([^"]*)"', page):
        assert not re.search("nan|inf", value)
    assert "score NaN" in words(page)
    assert "score -∞" in words(page)
    assert "not computed in 1" in words(page)


def test_a_huge_output_is_cut_with_a_note_of_how_much(records, html_of, tmp_path):
    trajectory = records.trajectory(seen="A" + "b" * 3_000_000 + "Z", thought="t" * 500_000, code="c" * 900_000)
    page = html_of(None, records.run(tmp_path / "run", [records.episode(trajectory=trajectory)]))
    assert len(page) < 120_000
    assert "2995002 of 3000002 characters left out of this report" in page


def test_a_report_stays_small_and_says_what_it_left_out(records, tmp_path):
    long = records.trajectory(seen="x" * 5_000, code="y" * 8_000, turns=8)
    episodes = [
        records.episode(
            f"task-{task:02}", slot, Medal.GOLD if task == 5 else Medal.NONE, model=f"m/{agent}", trajectory=long
        )
        for agent in "abc"
        for task in range(24)
        for slot in range(2)
    ]
    runs = [
        records.run(tmp_path / agent, [one for one in episodes if one.model == f"m/{agent}"], group_size=2)
        for agent in "abc"
    ]
    drafts = [records.draft(f"task-{task:02}", ("tabular", "text", "image")[task % 3]) for task in range(24)]
    page = gathered(records.corpus(tmp_path / "tasks", drafts), *runs)
    report = build(page)
    assert len(report.html) < 6_000_000
    assert report.trajectories_left_out > 0
    assert report.trajectories + report.trajectories_left_out == 144
    html = report.html.decode()
    assert f"{report.trajectories} of 144 episodes; {report.trajectories_left_out} are left out" in html
    for role in ("best", "median", "worst"):
        assert html.count(f'<span class="role">{role}</span>') == 3


def test_nothing_is_fetched_from_anywhere(records, html_of, corpus, episodes, tmp_path):
    page = html_of(corpus, records.run(tmp_path / "run", episodes))
    assert not re.findall(r"https?://|//[a-z]+\.", page)
    assert not re.search(r"url\(|@import|<link|srcset|<iframe", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert unescape(policy[1]).startswith("default-src 'none'; style-src 'sha256-")


def test_infrastructure_failures_are_in_no_mean_and_their_rate_is_said(records, html_of, tmp_path):
    good = records.episode("a-one", 0, Medal.GOLD)
    lost = records.episode("a-one", 1, outcome=Outcome.INFRASTRUCTURE, grade=None, attempts=3)
    failure = FailureRecord(
        task_id="a-one", slot=1, attempt=1, kind="SandboxError", error="gone", after="run_code", at="2026-01-01"
    )
    page = html_of(None, records.run(tmp_path / "run", [good, lost], failures=[failure] * 3))
    assert "a-one 0.950 G !" in section(page, "matrix")
    assert "Infrastructure failures in run run, with their rate per action: 3 after run_code (75.0 %)." in words(page)
    assert "SandboxError: the zygote is gone" in section(page, "trajectories")


def test_time_is_split_by_part_as_medians_and_totals(records, html_of, tmp_path):
    rest = {"start_s": 0.5, "grade_s": 2.0, "other_s": 0.25, "queue_s": 1.0}
    times = [Timings(llm_s=s, run_s=10 * s, **rest) for s in (1.0, 3.0, 8.0)]
    episodes = [records.episode(slot=slot, timings=one) for slot, one in enumerate(times)]
    text = section(html_of(None, records.run(tmp_path / "run", episodes)), "agents")
    assert "median 3.0 s 500 ms 30.0 s 2.0 s 250 ms 1.0 s 36.8 s" in text
    assert "total 12.0 s 1.5 s 2 min 0 s 6.0 s 750 ms 3.0 s 2 min 23 s" in text


def test_caveats_name_what_makes_numbers_incomparable(records, corpus, tmp_path):
    mixed = [
        records.episode("a-one", 0, level=IsolationLevel.L0, feedback=FeedbackMode.FULL),
        records.episode("b-two", 0, level=IsolationLevel.L2),
        records.episode("z-other", 0),
    ]
    text = " ".join(gathered(corpus, records.run(tmp_path / "run", mixed)).caveats)
    for part in (
        "isolation level L0",
        "isolation level L2",
        "different feedback modes",
        "full shows agents the private score",
        "Scripted agents",
        "not in the corpus given: z-other",
        "1 tasks of the corpus were run by no agent",
        "2 tasks are not what they were when they were run: a-one, b-two",
        "fewer than 10 tasks",
        "not run on the same tasks",
    ):
        assert part in text


def test_the_same_agent_in_two_runs_stays_two_rows_named_by_their_runs(records, tmp_path):
    runs = [
        records.run(tmp_path / name, [records.episode(medal=medal)]) for name, medal in (("x", None), ("y", Medal.GOLD))
    ]
    labels = [agent.label for agent in gathered(None, *runs).agents]
    assert labels == ["offline/agent · react · public_board · y", "offline/agent · react · public_board · x"]


def test_a_broken_task_is_named_and_the_rest_is_shown(html_of, corpus):
    (corpus / "b-two" / "task.toml").write_text("schema_version = 1\n")
    (corpus / "stray").mkdir()
    (corpus / "stray" / "task.toml").write_text("x")
    text = words(html_of(corpus))
    assert "b-two/task.toml: task_id: Field required" in text
    assert "stray: not accepted in the ledger" in text
    assert "a-one" in text


@pytest.mark.parametrize(
    ("name", "error", "part"),
    [("tasks", TaskError, "there is no .*none; --tasks takes"), ("run", RunError, "is no run directory")],
)
def test_a_missing_directory_is_an_error_that_says_so(tmp_path, name, error, part):
    with pytest.raises(error, match=part):
        gathered(tmp_path / "none") if name == "tasks" else gathered(None, tmp_path / "none")


def test_naming_nothing_or_one_run_twice_is_an_error(records, tmp_path):
    with pytest.raises(UsageError, match="--tasks"):
        gathered(None)
    run = records.run(tmp_path / "run", [records.episode()])
    with pytest.raises(UsageError, match="twice"):
        gathered(None, run, run / ".." / "run")


def test_every_number_has_a_form_for_every_float():
    for form in (numbers.score, numbers.fixed, numbers.percent, numbers.seconds):
        assert form(math.nan) == "NaN"
        assert form(math.inf) == "∞"
        assert form(None) == "—"


def test_a_manifest_stands_for_the_tasks_that_it_lists(records, html_of, corpus, tmp_path):
    manifest = tmp_path / "part.txt"
    manifest.write_text("# a part\ntasks/a-one\ntasks/c-three\n")
    page = gathered(manifest)
    assert [task.task_id for task in page.corpus.tasks] == ["a-one", "c-three"]
    assert page.corpus.ledger is None
    assert "a-one" in words(html_of(manifest))
    (tmp_path / "else").mkdir()
    with pytest.raises(TaskError, match="holds no task directory"):
        gathered(tmp_path / "else")
    manifest.write_text("nothing of ours\n")
    with pytest.raises(TaskError, match="which is no task directory"):
        gathered(manifest)
