"""Trajectories out: what is chosen, what is written, and who can read it."""

import json
import os
import resource
import signal
from contextlib import contextmanager
from dataclasses import replace

import pytest

from sandmle.core.errors import PluginError, RunError, StoreError, UsageError
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal


def exact_talk(make):
    return (
        make.said("user", "go"),
        make.spoken(0, "a", exact=([1, 2], [3, 4])),
        make.said("user", "next"),
        make.spoken(1, "b", exact=([1, 2, 3, 4, 5], [6])),
    )


def test_sft_lines_hold_the_conversation_up_to_the_last_reply(make, write_run, export, tmp_path):
    summary = export(write_run(make.episode()), "--format", "sft", "-o", tmp_path / "out.jsonl")
    (line,) = make.lines(tmp_path / "out.jsonl")
    assert [message["role"] for message in line["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert line["messages"][1]["content"].endswith("雪")
    assert (line["task_id"], line["episode_id"], line["reward"], line["outcome"]) == (
        "apples",
        "apples/0",
        0.4,
        "scored",
    )
    assert (summary["records"], summary["episodes"], summary["left_out"]) == (1, 1, {})


def test_native_calls_are_written_as_the_chat_api_has_them(make, write_run, export, tmp_path):
    export(write_run(make.episode(make.calling)), "--format", "sft", "-o", tmp_path / "out.jsonl")
    (line,) = make.lines(tmp_path / "out.jsonl")
    call = line["messages"][1]["tool_calls"][0]
    assert call == {"id": "a", "type": "function", "function": {"name": "run_python", "arguments": '{"code":  "1"}'}}
    assert line["messages"][1]["reasoning_content"] == "hm"
    assert line["messages"][2] == {"role": "tool", "content": "one", "tool_call_id": "a"}


def test_each_segment_is_a_conversation_of_its_own(make, write_run, export, tmp_path):
    two = make.episode(make.talk[:3], (*make.talk[:2], make.spoken(1, "again")), (make.said("user", "nothing said"),))
    summary = export(write_run(two), "--format", "sft", "-o", tmp_path / "out.jsonl")
    assert [line["segment"] for line in make.lines(tmp_path / "out.jsonl")] == [0, 1]
    assert (summary["episodes"], summary["records"]) == (1, 2)


def test_sharegpt_names_the_speakers_as_its_readers_do(make, write_run, export, tmp_path):
    export(write_run(make.episode(make.calling)), "--format", "sharegpt", "-o", tmp_path / "out.jsonl")
    (line,) = make.lines(tmp_path / "out.jsonl")
    turns = line["conversations"]
    assert [turn["from"] for turn in turns] == ["human", "function_call", "observation", "gpt"]
    thoughts, calls = turns[1]["value"].split("</think>")
    assert thoughts == "<think>\nhm\n"
    assert json.loads(calls) == [
        {"name": "run_python", "arguments": {"code": "1"}},
        {"name": "submit", "arguments": "no json"},
    ]
    assert turns[2]["value"] == "one\n\ntwo"


def test_sharegpt_turns_alternate_whatever_the_conversation_was(make, write_run, export, tmp_path):
    export(write_run(make.episode(make.unruly)), "--format", "sharegpt", "-o", tmp_path / "out.jsonl")
    (line,) = make.lines(tmp_path / "out.jsonl")
    turns = line["conversations"]
    speakers = ["system", "human", "gpt", "human", "gpt", "human", "function_call", "observation", "gpt"]
    assert [turn["from"] for turn in turns] == speakers
    assert (turns[3]["value"], turns[5]["value"]) == ("", "one\n\ntwo")
    assert turns[6]["value"] == 'I run it.\n<tool_call>{"name": "run_python", "arguments": {"code": "1"}}</tool_call>'
    assert turns[7]["value"] == "ran\n\nGo on."


def test_what_the_policy_was_only_shown_weighs_nothing(make, write_run, export, tmp_path):
    shown = make.episode((make.said("user", "a"), make.said("assistant", "an example"), *make.talk[1:3]))
    export(write_run(shown), "--format", "sft", "-o", tmp_path / "out.jsonl")
    (line,) = make.lines(tmp_path / "out.jsonl")
    assert [message.get("weight") for message in line["messages"]] == [None, 0, None, None]


def test_a_prompt_set_holds_each_prompt_once_with_a_label_that_names_the_task(make, write_run, export, tmp_path):
    run = write_run(make.episode(), make.episode(slot=1), make.episode(task="pears"))
    summary = export(run, "--format", "openrlhf", "-o", tmp_path / "out.jsonl")
    found = make.lines(tmp_path / "out.jsonl")
    assert summary["records"] == 2
    assert [json.loads(line["label"])["task_id"] for line in found] == ["apples", "pears"]
    assert [message["role"] for message in found[0]["prompt"]] == ["system", "user"]


def test_ids_are_those_sampled_and_episodes_without_any_are_left_out(make, write_run, export, tmp_path):
    run = write_run(make.episode(), make.episode(exact_talk(make), slot=1))
    summary = export(run, "--format", "sft", "--ids", "-o", tmp_path / "out.jsonl")
    (line,) = make.lines(tmp_path / "out.jsonl")
    assert line["observation_tokens"] == [1, 2, 3, 4, 5, 6]
    assert line["action_ranges"] == [[2, 4], [5, 6]]
    assert line["loss_mask"] == [0, 0, 1, 1, 0, 1]
    assert line["rollout_log_probs"] == [0, 0, -0.5, -0.5, 0, -0.5]
    assert summary["left_out"] == {"no token ids": 1}


def test_atif_keeps_ids_when_asked(make, write_run, export, tmp_path):
    run = write_run(make.episode(exact_talk(make)))
    export(run, "--format", "atif", "--ids", "-o", tmp_path / "out.json")
    metrics = json.loads((tmp_path / "out.json").read_text())["steps"][3]["metrics"]
    assert (metrics["prompt_token_ids"], metrics["completion_token_ids"]) == ([1, 2, 3, 4, 5], [6])
    assert metrics["logprobs"] == [-0.5]
    export(run, "--format", "atif", "-o", tmp_path / "plain.json")
    assert "prompt_token_ids" not in json.loads((tmp_path / "plain.json").read_text())["steps"][3]["metrics"]


def test_atif_puts_tool_answers_under_the_step_that_called(make, write_run, export, tmp_path):
    export(write_run(make.episode(make.calling)), "--format", "atif", "-o", tmp_path / "out.json")
    steps = json.loads((tmp_path / "out.json").read_text())["steps"]
    assert [step["source"] for step in steps] == ["user", "agent", "agent"]
    assert [result["source_call_id"] for result in steps[1]["observation"]["results"]] == ["a", "b"]
    assert steps[1]["tool_calls"][0]["arguments"] == {"code": "1"}
    assert steps[1]["tool_calls"][1] == {
        "tool_call_id": "b",
        "function_name": "submit",
        "arguments": {},
        "extra": {"arguments_text": "no json"},
    }


def test_atif_marks_what_a_later_segment_only_repeats(make, write_run, export, tmp_path):
    two = make.episode(make.talk[:3], (*make.talk[:3], make.said("user", "new"), make.spoken(1, "end")))
    export(write_run(two), "--format", "atif", "-o", tmp_path / "out.json")
    steps = json.loads((tmp_path / "out.json").read_text())["steps"]
    assert [step.get("is_copied_context", False) for step in steps] == [False] * 3 + [True] * 3 + [False] * 2
    assert [step["step_id"] for step in steps] == list(range(1, 9))


def test_a_folder_of_atif_has_a_document_an_episode(make, write_run, export, tmp_path):
    run = write_run(make.episode(), make.episode(slot=1))
    export(run, "--format", "atif", "-o", tmp_path / "out")
    documents = sorted((tmp_path / "out").glob("*.json"))
    assert [json.loads(one.read_text())["trajectory_id"] for one in documents] == ["apples/0", "apples/1"]
    with pytest.raises(UsageError, match="one trajectory and 2 are chosen"):
        export(run, "--format", "atif", "-o", tmp_path / "out.json")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--min-reward", 0.5], ["b/0"]),
        (["--max-reward", 0.5], ["a/0"]),
        (["--medal", "bronze"], ["b/0"]),
        (["--medal", "gold"], []),
        (["--medal", "none"], ["a/0", "b/0", "c/0"]),
        (["--outcome", "unscored"], ["c/0"]),
        (["--outcome", "infrastructure", "--outcome", "unscored"], ["c/0", "d/0"]),
        (["--scaffold", "aide"], ["b/0"]),
        (["--scaffold", "aide", "--scaffold", "react"], ["a/0", "b/0", "c/0"]),
        (["--model", "offline/agent"], ["a/0", "c/0"]),
        (["--task", "c", "--task", "a"], ["a/0", "c/0"]),
        ([], ["a/0", "b/0", "c/0"]),
    ],
)
def test_filters_keep_what_they_say(make, write_run, export, tmp_path, words, kept):
    run = write_run(
        make.episode(task="a"),
        make.episode(
            task="b", grade=make.grade(Medal.SILVER), reward=make.reward(0.9), scaffold="aide", model="openai/x"
        ),
        make.episode(task="c", outcome=Outcome.UNSCORED, grade=None, reward=make.reward(None)),
        make.episode(task="d", outcome=Outcome.INFRASTRUCTURE, grade=None, reward=None, stop_reason=None),
    )
    out = tmp_path / "out.jsonl"
    if not kept:
        with pytest.raises(UsageError, match="no episode is left of 4"):
            export(run, "--format", "sft", *words, "-o", out)
        assert not out.exists()
        return
    summary = export(run, "--format", "sft", *words, "-o", out)
    assert [line["episode_id"] for line in make.lines(out)] == kept
    assert summary["read"] == 4
    assert sum(summary["left_out"].values()) == 4 - len(kept)


def test_dedup_leaves_out_what_is_said_again_word_for_word(make, write_run, export, tmp_path):
    run = write_run(make.episode(), make.episode(slot=1), make.episode(make.talk[:3], slot=2))
    for form in ("sft", "atif"):
        summary = export(run, "--format", form, "--dedup", "-o", tmp_path / f"{form}.jsonl")
        assert summary["left_out"] == {"duplicate": 1}
        assert summary["records"] == 2


def test_another_call_is_no_repetition(make, write_run, export, tmp_path):
    other = [replace(entry) for entry in make.calling]
    calls = tuple(replace(call, arguments="{}") for call in other[1].message.tool_calls)
    other[1] = replace(other[1], message=replace(other[1].message, tool_calls=calls))
    run = write_run(make.episode(make.calling), make.episode(other, slot=1), make.episode(make.calling, slot=2))
    for form in ("sft", "atif"):
        summary = export(run, "--format", form, "--dedup", "-o", tmp_path / f"{form}.jsonl")
        assert (summary["records"], summary["left_out"]) == (2, {"duplicate": 1})


def test_several_runs_are_exported_together(make, write_run, export, tmp_path):
    runs = [write_run(make.episode(), name=name) for name in ("one", "two")]
    export(*runs, "--format", "sft", "-o", tmp_path / "out.jsonl")
    assert [line["run"] for line in make.lines(tmp_path / "out.jsonl")] == ["one", "two"]


def test_nothing_is_overwritten_unasked(make, write_run, export, tmp_path):
    run, out = write_run(make.episode()), tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(UsageError, match=r"exists already.*--force"):
        export(run, "--format", "sft", "-o", out)
    assert out.read_text() == "mine"
    export(run, "--format", "sft", "-o", out, "--force")
    assert len(make.lines(out)) == 1


def test_force_replaces_only_folders_that_an_export_made(make, write_run, export, tmp_path):
    run, out = write_run(make.episode()), tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="no folder that an export made"):
        export(run, "--format", "atif", "-o", out, "--force")
    assert (out / "thesis.txt").read_text() == "mine"
    export(run, "--format", "atif", "-o", tmp_path / "fresh")
    export(run, "--format", "atif", "-o", tmp_path / "fresh", "--force")
    assert len(list((tmp_path / "fresh").glob("*.json"))) == 1


def test_a_runs_own_records_are_never_replaced(make, write_run, export):
    run = write_run(make.episode())
    with pytest.raises(UsageError, match="record of a run"):
        export(run, "--format", "sft", "-o", run / "episodes.jsonl", "--force")
    assert len(make.lines(run / "episodes.jsonl")) == 1


def test_what_cannot_be_read_or_written_is_said(make, write_run, export, tmp_path):
    run = write_run(make.episode())
    with pytest.raises(RunError, match="no run directory"):
        export(tmp_path / "nowhere", "--format", "sft", "-o", tmp_path / "out.jsonl")
    with pytest.raises(UsageError, match="did you mean 'react'"):
        export(run, "--format", "sft", "--scaffold", "reakt", "-o", tmp_path / "out.jsonl")
    with pytest.raises(UsageError, match="leave --ids away"):
        export(
            write_run(make.episode(exact_talk(make)), name="ids"), "--format", "openrlhf", "--ids", "-o", tmp_path / "o"
        )
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        export(run, "--format", "sft", "-o", tmp_path / "file" / "out.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        export(run, "--format", "sft", "-o", tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "ids", "run"]


@contextmanager
def files_up_to(size):
    """As on a disk that is full: what is longer cannot be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(("form", "name"), [("sft", "out.jsonl"), ("atif", "out")])
def test_a_disk_that_takes_no_more_is_the_machines_failure_and_nothing_is_left(
    make, write_run, export, tmp_path, form, name
):
    run = write_run(make.episode())
    with files_up_to(100), pytest.raises(StoreError, match="cannot write"):
        export(run, "--format", form, "-o", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_whose_name_is_no_text_is_exported(make, write_run, export, tmp_path):
    run = write_run(make.episode(), name=os.fsdecode(b"run-\xff"))
    for form in ("sft", "atif"):
        export(run, "--format", form, "-o", tmp_path / f"{form}.jsonl")
    assert make.lines(tmp_path / "sft.jsonl")[0]["run"] == "run-?"
    assert make.lines(tmp_path / "atif.jsonl")[0]["session_id"] == "run-?"


def test_an_episode_in_which_nobody_spoke_is_left_out(make, write_run, export, tmp_path):
    silent = make.episode((make.said("user", "hello"),), slot=1)
    summary = export(write_run(make.episode(), silent), "--format", "sft", "-o", tmp_path / "out.jsonl")
    assert summary["left_out"] == {"no conversation": 1}
    with pytest.raises(UsageError, match="nothing is left to export"):
        export(write_run(silent, name="silent"), "--format", "sft", "-o", tmp_path / "none.jsonl")


def test_numbers_that_json_has_no_word_for_are_null(make, write_run, export, tmp_path):
    odd = make.episode(grade=replace(make.grade(), score=float("inf")))
    for form, name in (("sft", "out.jsonl"), ("atif", "out.json")):
        export(write_run(odd, name=form), "--format", form, "-o", tmp_path / name)
        assert "Infinity" not in (tmp_path / name).read_text()


def test_parquet_without_pyarrow_says_what_to_install(make, write_run, export, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(PluginError, match=r"pip install 'sandmle\[parquet\]'"):
        export(write_run(make.episode()), "--format", "parquet", "-o", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
