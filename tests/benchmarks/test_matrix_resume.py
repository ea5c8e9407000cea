"""The benchmark that kills a matrix: a tiny one is the same after it, and what is not the same is named."""

import random

FILE = "runs/weak/react/episodes.jsonl"


def test_a_killed_matrix_is_the_same_and_a_lost_or_altered_episode_is_noticed(tmp_path):
    from matrix_resume import Matrix, as_text, compare, problems
    from overhead_parts.world import make_task

    make_task(tmp_path / "tasks")
    words = [
        "--models",
        "weak=offline/agent-weak",
        "--scaffolds",
        "react",
        "--tasks",
        str(tmp_path / "tasks"),
        "-k",
        "4",
    ]
    words += ["--set", "run.max_turns=2", "--set", "run.concurrency=1", "--set", "run.trackers=[]"]
    figures = compare(words, tmp_path, kills=1, rng=random.Random(0))
    assert figures["problems"] == []
    assert len(figures["killed_at"]) == 1
    assert (figures["episodes"], figures["cells"]) == (4, 1)
    assert "the same table and the same episodes" in as_text(figures)

    whole, broken, table = Matrix(words, tmp_path / "whole"), Matrix(words, tmp_path / "killed"), figures["table"]
    lines = (tmp_path / "killed" / FILE).read_text("utf-8").splitlines(keepends=True)
    altered = lines[0].replace('"policy_version":0', '"policy_version":1')
    (tmp_path / "killed" / FILE).write_text("".join([altered, *lines[1:]]), "utf-8")
    assert "1 of 4 episodes differ" in problems(table, table, whole, broken)[0]
    (tmp_path / "killed" / FILE).write_text("".join(lines[1:]), "utf-8")
    assert problems(table, table, whole, broken) == ["not every slot holds exactly one episode"]
    assert problems(table, {**table, "complete": False}, whole, broken)[0] == "a matrix is not complete"
