"""`sandmle matrix` and `sandmle run` on the competitions of a bridge, as a user types them."""

import pytest

from sandmle.core.engine.store import read_config, read_episodes


@pytest.fixture(params=["bench", "dojo"])
def peer(request):
    """A small checkout, and the options that name it."""
    made = request.getfixturevalue(request.param)
    _, benchmark, _, checkout, _, data = made.words()
    section = f"plugin.benchmark.{benchmark}"
    split = {"mlebench": "lite", "mledojo": "evaluation"}[benchmark]
    named = {"run.benchmark": benchmark, f"{section}.checkout": checkout, f"{section}.data": data}
    more = {f"{section}.split": split, f"{section}.work": made.root / "views"}
    return [word for key, value in {**named, **more}.items() for word in ("--set", f"{key}={value}")]


@pytest.mark.slow
def test_a_matrix_on_competitions_goes_on_where_it_was_cut_off(peer, sandmle, sandmle_json, tmp_path):
    out = tmp_path / "matrix"
    models = "base=offline/agent-weak,strong=offline/agent"
    words = ("matrix", "--models", models, "--scaffolds", "react", "-k", 1, "--concurrency", 2, "-o", out, *peer)
    first = sandmle_json(*words)
    assert (first["complete"], first["tasks"], first["families"], first["failures"]) == (True, 2, 2, [])
    assert all(cell["valid"]["mean"] == 1 for cell in first["cells"])
    assert read_config(out / "runs" / "base" / "react")["run"]["feedback"] == "validate_only"
    told = [
        step.observation.text
        for one in read_episodes(out / "runs" / "strong" / "react")
        for step in one.trajectory.steps
        if step.observation.grade
    ]
    assert set(told) == {"The submission is valid."}
    # As a kill leaves it: one cell lacks an episode and half of another, one was not begun.
    log = out / "runs" / "base" / "react" / "episodes.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole.splitlines(keepends=True)[0]) + 100])
    (out / "runs" / "strong").rename(tmp_path / "gone")
    assert sandmle_json(*words) == first
    assert "no public board" in sandmle(*words, "--feedback", "public_board", code=2).stderr
