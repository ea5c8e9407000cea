"""Training on the page: whose policy is whose, what it came to, and what the intervals allow to say."""

import json
import re
from html import unescape

import pytest
import tomli_w

from sandmle.core.errors import RunError, UsageError
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal
from sandmle.plugins.reports.build import build
from sandmle.plugins.reports.page import gather
from sandmle.plugins.reports.training import read_training

SFT = [{"step": n, "loss": 2.0 / n, "grad_norm": 0.1, "tokens": 50, "seconds": 1.5} for n in (1, 2, 3)]
COUNTS = {"groups": 4, "kept_groups": 3, "episodes": 16, "seconds": {"play": 4.0, "train": 1.0}}
GRPO = [
    {"step": n, "loss": 0.1, "entropy": 0.5 - n / 10, "reward": 0.2 + n / 10, "any_medal": n / 10, "valid": 0.5}
    | COUNTS
    for n in (1, 2)
]
EASY, HARD = "a-one", "b-two"


def trainer(root, method, lines, *, tasks=("t-trained",), validations=(), tail=b"", **options):
    """A trainer's output directory, as `sandmle train` leaves it."""
    root.mkdir(parents=True)
    section = {"epochs": 3} if method == "sft" else {"steps": 2, "epochs": 1, "adapter": True}
    config = {"method": method, method: {**section, **options}, "tasks": dict.fromkeys(tasks, "0" * 64)}
    (root / "config.toml").write_text(tomli_w.dumps(config))
    (root / "metrics.jsonl").write_bytes("".join(json.dumps(one) + "\n" for one in lines).encode() + tail)
    (root / "evaluations.jsonl").write_text("".join(json.dumps(one) + "\n" for one in validations))
    return root


@pytest.fixture
def trained(records, tmp_path):
    """A corpus of two tasks, SFT and GRPO, and their episodes beside a control's."""
    corpus = records.corpus(
        tmp_path / "tasks", [records.draft(EASY, rule_family="r-1"), records.draft(HARD, rule_family="r-2")]
    )
    dirs = [trainer(tmp_path / "sft", "sft", SFT), trainer(tmp_path / "grpo", "grpo", GRPO)]
    last = tmp_path / "grpo" / "checkpoints" / "0002"
    played = {
        f"local/{tmp_path / 'sft'}": {EASY: [Medal.NONE, None], HARD: [None, None]},
        f"local/{last}": {EASY: [Medal.BRONZE, Medal.NONE], HARD: [None, Medal.GOLD]},
        "offline/random-running-program": {EASY: [Medal.BRONZE, None], HARD: [Medal.NONE, None]},
    }
    runs = [
        records.run(
            tmp_path / f"run{number}",
            [
                records.episode(task, slot, medal, model=model)
                for task, medals in by_task.items()
                for slot, medal in enumerate(medals)
            ],
        )
        for number, (model, by_task) in enumerate(played.items())
    ]
    return corpus, dirs, runs


def gathered(corpus, dirs, runs):
    return gather(corpus, (), made_at="now", version="0", training_dirs=dirs, held_out_dirs=runs)


def section(page):
    html = build(page).html.decode().split('<section id="training"')[1].split("<section id=")[0]
    return html, " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_policies_are_named_by_their_training_and_stand_before_controls(trained):
    corpus, dirs, runs = trained
    learned = gathered(corpus, dirs, runs[::-1]).learned
    assert [arm.agent.label for arm in learned.arms] == ["SFT policy", "GRPO policy", "offline/random-running-program"]
    assert [(arm.families, arm.tasks, arm.episodes) for arm in learned.arms] == [(2, 2, 4)] * 3
    assert [round(arm.estimates["any_medal"].mean, 3) for arm in learned.arms] == [0, 0.5, 0.25]
    assert [round(arm.estimates["valid"].mean, 3) for arm in learned.arms] == [0.25, 0.75, 0.5]


def test_the_last_policy_is_compared_with_every_other_on_the_same_tasks(trained):
    learned = gathered(*trained).learned
    assert [gap.over.agent.label for gap in learned.gaps] == ["SFT policy", "offline/random-running-program"]
    gain = learned.gaps[0].estimates["any_medal"]
    assert (gain.mean, gain.tasks) == (0.5, 2)
    assert gain.low <= 0 < gain.high
    assert learned.gaps[0].verdict("any_medal") == "not told from zero"


def test_the_page_says_figures_intervals_and_what_they_do_not_show(trained):
    html, text = section(gathered(*trained))
    assert "GRPO policy learned; react, public_board 50.0 % " in text
    assert "GRPO policy minus each other" in text
    assert "not told from zero" in text
    assert "benchmarks/learning.py is the measurement" in text
    assert "SFT sft all 1 3 of 3 epochs — 4.5 s" in text
    assert "GRPO grpo LoRA adapter 1 2 of 2 steps 32 10.0 s" in text
    assert "GRPO: the 2 steps in a table" in text
    for heading in (
        "SFT: loss by epoch",
        "GRPO: reward, medals and valid submissions by step",
        "GRPO: entropy by step",
    ):
        assert f'aria-label="{heading}. ' in html
    assert "reward: 0.300 at step 1, 0.400 at step 2" in unescape(html)


def test_one_task_is_shown_before_and_after_by_a_rule_that_is_said(trained):
    page = gathered(*trained)
    pair = page.learned.pair
    changes = {EASY: (0.8 + 0.3 - 0.3 - 0.1) / 2, HARD: (1.0 + 0.1 - 0.1 - 0.1) / 2}
    assert pair.change == pytest.approx(changes[pair.task_id])
    assert pair.mean_change == pytest.approx(sum(changes.values()) / 2)
    html, text = section(page)
    assert html.count('<details class="episode item"') == 2
    assert html.count(" open data-agent=") == 2
    assert "Before: SFT policy" in text
    assert "After: GRPO policy" in text
    assert "not picked for looking good" in text


def test_the_episode_shown_is_the_one_nearest_to_its_policys_mean(records, trained, tmp_path):
    corpus, dirs, runs = trained
    medals = [Medal.GOLD, Medal.SILVER, None, Medal.NONE]
    several = [records.episode(EASY, slot, one, model=f"local/{dirs[0]}") for slot, one in enumerate(medals)]
    pair = gathered(corpus, dirs, [records.run(tmp_path / "several", several), runs[1]]).learned.pair
    mean = sum(one.reward.total for one in several) / 4
    nearest = min(several, key=lambda one: abs(one.reward.total - mean))
    assert pair.before[1].episode_id == nearest.episode_id


def test_tasks_that_were_trained_on_are_named(records, trained, tmp_path):
    corpus, _, runs = trained
    seen = trainer(tmp_path / "seen" / "sft", "sft", SFT, tasks=(EASY,))
    assert f"1 of the tasks below were trained on, such as {EASY}" in section(gathered(corpus, [seen], runs[:1]))[1]


def test_without_the_corpus_every_task_is_a_family_of_its_own_and_the_page_says_so(trained):
    _, dirs, runs = trained
    learned = gathered(None, dirs, runs).learned
    assert learned.arms[0].families is None
    assert any("counts as its own rule family" in line for line in learned.notes)


def test_a_relative_model_path_is_known_by_how_the_directory_ends(records, trained, tmp_path):
    corpus, dirs, _ = trained
    run = records.run(tmp_path / "rel", [records.episode(EASY, model=f"local/{tmp_path.name}/sft")])
    stranger = records.run(tmp_path / "other", [records.episode(EASY, model="local/elsewhere/policy")])
    arms = gathered(corpus, dirs, [stranger, run]).learned.arms
    assert [arm.agent.label for arm in arms] == ["SFT policy", "local/elsewhere/policy"]


def test_a_training_under_way_shows_what_there_is(records, tmp_path):
    folder = trainer(tmp_path / "sft", "sft", SFT[:1], tail=b'{"step": 2, "lo')
    page = gathered(None, [folder], [])
    assert "Training SFT is incomplete: 1 of 3 epochs are recorded." in page.learned.notes
    assert "1 of 3 epochs" in section(page)[1]
    empty = trainer(tmp_path / "grpo", "grpo", [])
    assert "0 of 2 steps" in section(gathered(None, [empty], []))[1]


def test_validations_are_rings_among_the_steps(tmp_path):
    checks = [{"step": 0, "reward": 0.3, "any_medal": 0.1, "valid": 0.5}, {"step": 2, "reward": None}]
    html, _ = section(gathered(None, [trainer(tmp_path / "g", "grpo", GRPO, validations=checks)], []))
    assert html.count('class="ring ') == 3


def test_infrastructure_failures_are_in_no_mean(records, trained, tmp_path):
    corpus, dirs, _ = trained
    lost = records.episode(EASY, 1, outcome=Outcome.INFRASTRUCTURE, grade=None, model=f"local/{dirs[0]}")
    good = records.episode(EASY, 0, Medal.GOLD, model=f"local/{dirs[0]}")
    learned = gathered(corpus, dirs, [records.run(tmp_path / "lossy", [good, lost])]).learned
    assert (learned.arms[0].episodes, learned.arms[0].estimates["any_medal"].mean) == (1, 1.0)
    assert any("lost to the infrastructure" in line for line in learned.notes)


def test_two_trainings_of_one_method_are_told_apart(tmp_path):
    dirs = [trainer(tmp_path / name, "grpo", GRPO) for name in ("lora", "full")]
    assert [one.title for one in gathered(None, dirs, []).learned.trainings] == ["GRPO (lora)", "GRPO (full)"]


@pytest.mark.parametrize(
    ("files", "part"),
    [
        (None, "is not a directory; --training takes"),
        ({}, "has no config.toml"),
        ({"config.toml": "method = "}, "is not TOML"),
        ({"config.toml": "[run]\n"}, "is a run directory of episodes (name it with --run)"),
        ({"config.toml": "x = 1\n"}, "names no training method"),
        ({"config.toml": 'method = "grpo"\n', "metrics.jsonl": "no json\n"}, "metrics.jsonl:1 is not JSON"),
        ({"config.toml": 'method = "grpo"\n', "metrics.jsonl": '{"step": 1}\n[]\n'}, "metrics.jsonl:2 is no line"),
        ({"config.toml": 'method = "grpo"\n', "evaluations.jsonl": '{"loss": 1}\n'}, "has no number `step`"),
        ({"config.toml": 'method = "grpo"\n', "metrics.jsonl": '{"step": "one"}\n'}, "has no number `step`"),
    ],
)
def test_a_directory_that_is_no_training_is_refused_with_the_reason(tmp_path, files, part):
    folder = tmp_path / "given"
    if files is not None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
    with pytest.raises(RunError) as caught:
        read_training(folder)
    assert part in str(caught.value)


def test_odd_lines_are_shown_as_far_as_they_are_numbers(tmp_path):
    odd = [
        {"step": 2, "reward": True, "loss": "x"},
        {"step": 1, "reward": 0.5, "entropy": 1e400, "seconds": {"a": None}},
    ]
    folder = trainer(tmp_path / "odd", "mystery", odd)
    one = read_training(folder)
    assert one.series("reward") == ((1.0, 0.5),)
    assert (one.series("entropy"), one.seconds, one.title, one.wanted) == ((), 0, "mystery", 2)
    assert not re.search('="(?:nan|inf)', section(gathered(None, [folder], []))[0])


def test_a_run_without_a_training_and_a_directory_named_twice_are_refused(trained):
    corpus, dirs, runs = trained
    with pytest.raises(UsageError, match="--held-out needs --training"):
        gathered(corpus, [], runs)
    with pytest.raises(UsageError, match="--training names the same directory twice"):
        gathered(corpus, [dirs[0], dirs[0]], [])


def test_a_narrow_screen_scrolls_tables_and_not_the_page(trained, browsed):
    ruler = "const d = document.documentElement; document.title = `${d.scrollWidth} of ${d.clientWidth}`;"
    dom = browsed(build(gathered(*trained)).html.decode(), ruler, width=500)
    wide, seen = map(int, re.search(r"<title>(\d+) of (\d+)</title>", dom).groups())
    assert wide <= seen
    assert '<details class="episode item" id="before" open=""' in dom
