"""Trajectories in: what comes back whole, what strangers wrote, and what is refused."""

import json

import pytest

from sandmle.core.engine.store import read_episodes
from sandmle.core.errors import RunError, UsageError
from sandmle.core.types.episode import Outcome


@pytest.fixture
def take(program):
    def run(*words):
        done = program("import", *words, "--json")
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    return run


def write_lines(path, *records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


FOREIGN = {
    "schema_version": "ATIF-v1.4",
    "session_id": "s",
    "agent": {"name": "terminus-2", "version": "1.0", "model_name": "openai/gpt-5"},
    "steps": [
        {"step_id": 1, "source": "system", "message": "Be good."},
        {
            "step_id": 2,
            "source": "user",
            "message": [{"type": "text", "text": "Solve"}, {"type": "text", "text": "it."}],
        },
        {
            "step_id": 3,
            "source": "agent",
            "message": "I look.",
            "tool_calls": [{"tool_call_id": "c1", "function_name": "bash", "arguments": {"cmd": "ls"}}],
            "observation": {"results": [{"source_call_id": "c1", "content": "train.csv"}]},
            "metrics": {
                "prompt_tokens": 7,
                "completion_tokens": 3,
                "completion_token_ids": [5, 6],
                "logprobs": [-1, -2],
            },
        },
        {"step_id": 4, "source": "agent", "message": "Plain.", "observation": {"results": [{"content": "ok"}]}},
        {"step_id": 5, "source": "agent", "message": "dispatch", "llm_call_count": 0},
        {"step_id": 6, "source": "agent", "message": "Bye.", "some_later_field": 1},
    ],
    "final_metrics": {"total_steps": 6},
}


@pytest.mark.parametrize("name", ["out.json", "out.jsonl", "folder"])
def test_an_exported_episode_comes_back_as_it_was(make, write_run, export, take, tmp_path, name):
    exact = (make.said("user", "go"), make.spoken(0, "a", exact=([1, 2], [3, 4])))
    for original in (make.episode(exact), make.episode(make.calling), make.episode(make.talk, make.talk[:3])):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        root.mkdir()
        ids = ["--ids"] if original.trajectory.replies()[0].sampled_ids else []
        run = write_run(original, name=f"{root.name}/run")
        export(run, "--format", "atif", *ids, "-o", root / name)
        take("atif", root / name, "-o", root / "again")
        (back,) = read_episodes(root / "again")
        segments = list(original.trajectory.segments)
        assert back.trajectory.segments[0].entries == segments[0].entries
        assert len(back.trajectory.segments) == len(segments)
        same = ("task_id", "outcome", "model", "scaffold", "grade", "reward", "feedback", "policy_version", "level")
        assert all(getattr(back, field) == getattr(original, field) for field in same)
        assert back.trajectory.replies()[0].sampled_ids == original.trajectory.replies()[0].sampled_ids


def test_chat_lines_of_our_own_keep_what_they_came_to(make, write_run, export, take, tmp_path):
    export(write_run(make.episode(make.calling)), "--format", "sft", "-o", tmp_path / "out.jsonl")
    take("openai", tmp_path / "out.jsonl", "-o", tmp_path / "again")
    (back,) = read_episodes(tmp_path / "again")
    assert (back.outcome, back.grade.score, back.grade.human_rank, back.reward.total) == (
        Outcome.SCORED,
        0.5,
        0.25,
        0.4,
    )
    assert [entry.message for entry in back.trajectory.segments[0].entries] == [entry.message for entry in make.calling]


def test_a_strangers_atif_becomes_an_unscored_episode(take, tmp_path):
    summary = take("atif", write_lines(tmp_path / "t.json", FOREIGN), "--task", "apples", "-o", tmp_path / "run")
    (episode,) = read_episodes(tmp_path / "run")
    entries = episode.trajectory.segments[0].entries
    assert [entry.message.role for entry in entries] == [
        "system", "user", "assistant", "tool", "assistant", "user", "assistant", "assistant",
    ]  # fmt: skip
    assert [entry.reply is not None for entry in entries] == [False, False, True, False, True, False, False, True]
    assert entries[1].message.content == "Solve\nit."
    assert entries[2].reply.sampled_ids == (5, 6)
    assert (episode.outcome, episode.grade, episode.scaffold) == (Outcome.UNSCORED, None, "terminus-2")
    assert summary["turns"] == 3


def test_what_was_copied_is_not_learned_twice(take, tmp_path):
    steps = [dict(FOREIGN["steps"][0]), {**FOREIGN["steps"][3], "is_copied_context": True}, FOREIGN["steps"][5]]
    take("atif", write_lines(tmp_path / "t.json", {**FOREIGN, "steps": steps}), "--task", "x", "-o", tmp_path / "run")
    (episode,) = read_episodes(tmp_path / "run")
    assert [reply.text for reply in episode.trajectory.replies()] == ["Bye."]


def test_openai_chat_lines_are_read_as_the_api_writes_them(take, tmp_path):
    line = {
        "messages": [
            {"role": "developer", "content": "Be good."},
            {"role": "user", "content": [{"type": "text", "text": "Go"}]},
            {"role": "assistant", "content": "wrong", "weight": 0},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "1"},
            {"role": "assistant", "content": "half a pair: \ud800"},
        ],
        "tools": [],
        "task_id": "pears",
    }
    (tmp_path / "chat.jsonl").write_text(json.dumps(line) + "\n\n")
    take("openai", tmp_path / "chat.jsonl", "-o", tmp_path / "run")
    (episode,) = read_episodes(tmp_path / "run")
    entries = episode.trajectory.segments[0].entries
    assert entries[0].message.role == "system"
    assert [entry.reply is not None for entry in entries] == [False, False, False, True, False, True]
    assert entries[3].reply.tool_calls[0].name == "f"
    assert entries[5].message.content == "half a pair: ?"
    assert episode.task_id == "pears"


def test_slots_go_up_within_a_task_and_the_same_import_goes_on(take, tmp_path):
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    file = write_lines(tmp_path / "c.jsonl", *({**chat, "task_id": task} for task in ("a", "b", "a")))
    summary = take("openai", file, "-o", tmp_path / "run")
    assert take("openai", file, "-o", tmp_path / "run") == summary
    assert [one.episode_id for one in read_episodes(tmp_path / "run")] == ["a/0", "b/0", "a/1"]
    with pytest.raises(RunError, match="another configuration"):
        take("openai", write_lines(tmp_path / "d.jsonl", {**chat, "task_id": "a"}), "-o", tmp_path / "run")


def test_trajectories_of_other_tasks_are_left_out(make, take, write_tasks, tmp_path):
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    corpus, known = write_tasks(make.kinds[0]), "task-00-rmse"
    file = write_lines(tmp_path / "c.jsonl", {**chat, "task_id": known}, {**chat, "task_id": "else"})
    summary = take("openai", file, "--tasks", corpus, "-o", tmp_path / "run")
    assert (summary["tasks"], summary["left_out"]) == ({known: 1}, {"of another task": 1})
    with pytest.raises(UsageError, match="holds no task 'nope'"):
        take("openai", file, "--tasks", corpus, "--task", "nope", "-o", tmp_path / "r2")


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("openai", '{"messages": []}', "line 1.*messages"),
        ("openai", '{"messages": [{"role": "function", "content": "x"}]}', "role"),
        ("openai", "not json", "line 1"),
        ("openai", '{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "image_url"),
        ("openai", '{"messages": [{"role": "user", "content": "x"}], "task_id": "a"}', "nothing said"),
        ("openai", '{"messages": [{"role": "assistant", "content": "x"}]}', "names no task"),
        ("openai", '{"messages":[{"role":"assistant","content":"x"}],"task_id":"a","outcome":"won"}', "outcome"),
        ("openai", "", "there is none"),
        ("atif", "{}", "no ATIF trajectory"),
        ("atif", '{"schema_version": "ATIF-v2.0", "agent": {"name": "a"}, "steps": []}', "schema_version"),
        ("atif", '{"schema_version": "ATIF-v1.7", "agent": {"name": "a"}, "steps": []}', "steps"),
        (
            "atif",
            '{"schema_version":"ATIF-v1.7","agent":{"name":"a"},"steps":[{"source":"me","message":""}]}',
            "source",
        ),
        ("atif", "[1]", "no ATIF trajectory"),
    ],
)
def test_what_is_no_trajectory_is_refused_in_words_and_nothing_is_left(take, tmp_path, form, text, words):
    file = tmp_path / "in.jsonl"
    file.write_text(text + "\n")
    with pytest.raises(UsageError, match=words):
        take(form, file, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_that_are_not_there_or_not_text_are_named(take, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        take("openai", tmp_path / "nowhere.jsonl", "-o", tmp_path / "run")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read"):
        take("openai", tmp_path / "binary.jsonl", "-o", tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no"):
        take("atif", tmp_path / "empty", "-o", tmp_path / "run")
