import json
from pathlib import Path

import pytest

from sandmle.core.engine.rescore import rescore
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.store import open_store
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, RunError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal


@pytest.fixture
def toolkit():
    presets = {"sparse": {"format": 0.1, "gold": 0.9}, "../odd": {"gold": 1.0}}
    settings = Settings.model_validate({"reward": {"presets": presets}})
    return Toolkit(plugins=load_plugins(builtins=["sandmle.rewards.plugin"]), settings=settings)


@pytest.fixture
def run_dir(tmp_path, make_episode):
    root = tmp_path / "run"
    with open_store(root, {}) as store:
        store.add_episode(make_episode(slot=0, medal=Medal.GOLD))
        store.add_episode(make_episode(slot=1, medal=Medal.SILVER))
        store.add_episode(make_episode(slot=2, outcome=Outcome.INFRASTRUCTURE))
    return root


def test_rewards_are_written_beside_the_episodes_which_stay_as_they_are(toolkit, run_dir):
    before = (run_dir / "episodes.jsonl").read_bytes()
    summary = rescore(toolkit, run_dir, "sparse")
    lines = [json.loads(line) for line in (run_dir / "rewards-sparse.jsonl").read_text().splitlines()]
    assert [line["episode_id"] for line in lines] == ["a/0", "a/1", "a/2"]
    assert [line["reward"] and line["reward"]["total"] for line in lines] == [1.0, 0.1, None]
    assert (run_dir / "episodes.jsonl").read_bytes() == before
    assert (summary.episodes, summary.rewarded) == (3, 2)
    assert summary.as_json()["agents"][0]["reward"]["mean"] == pytest.approx(0.55)
    assert "2 of 3 episodes rewarded under 'sparse'" in summary.as_text()


def test_a_run_that_was_rescored_can_still_be_resumed(toolkit, run_dir):
    rescore(toolkit, run_dir, "sparse")
    with open_store(run_dir, {}) as store:
        assert len(store.done) == 3


def test_the_file_can_be_named(toolkit, run_dir, tmp_path):
    assert rescore(toolkit, run_dir, "../odd", tmp_path / "odd.jsonl").file == str(tmp_path / "odd.jsonl")
    with pytest.raises(ConfigError, match="-o FILE"):
        rescore(toolkit, run_dir, "../odd")


def test_bad_words_are_clear_errors(toolkit, run_dir, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'sparse'"):
        rescore(toolkit, run_dir, "sparce")
    with pytest.raises(RunError, match="no run directory"):
        rescore(toolkit, tmp_path, "sparse")
    with pytest.raises(RunError, match="cannot write"):
        rescore(toolkit, run_dir, "sparse", tmp_path / "nowhere" / "out.jsonl")
    taken = tmp_path / "taken"
    taken.mkdir()
    for folder in (taken, Path(".")):
        with pytest.raises(RunError, match=r"cannot write .* it is a directory"):
            rescore(toolkit, run_dir, "sparse", folder)
    with pytest.raises(RunError, match="cannot write"):
        rescore(toolkit, run_dir, "sparse", tmp_path / ("a" * 300))
    assert not list(tmp_path.glob(".*.part"))
