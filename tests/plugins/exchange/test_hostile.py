"""What strangers' files may hold: it is refused in words, or taken without harm, and nothing half done is left."""

import json
import os

import pytest

from sandmle.core.engine.store import read_episodes
from sandmle.core.errors import TaskError, UsageError
from sandmle.plugins.exchange.releases import bundle as bundles

GOOD = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "task_id": "pears"}
STEP = {"source": "agent", "message": "x"}


@pytest.fixture
def take(program):
    def run(*words):
        done = program("import", *words, "--json")
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    return run


def chat(**changes):
    return json.dumps({**GOOD, **changes})


def said(**changes):
    return chat(messages=[{"role": "assistant", "content": "b", **changes}])


def atif(**changes):
    return json.dumps({"schema_version": "ATIF-v1.7", "agent": {"name": "a"}, "steps": [{**STEP, **changes}]})


@pytest.mark.parametrize(
    ("form", "line", "words"),
    [
        ("openai", chat(task_id="../../etc/passwd"), "line 2: .*cannot be the id of a task"),
        ("openai", chat(task_id="a/b"), "cannot be the id"),
        ("openai", chat(task_id="a" * 300), "cannot be the id"),
        ("openai", chat(reward=float("nan")), "line 2: no chat line: reward"),
        ("openai", chat(score=float("inf")), "line 2: no chat line: score"),
        ("openai", chat(messages=[{"role": "critic", "content": "x"}]), "line 2: .*role"),
        ("openai", chat(messages=[{"content": "x"}]), "line 2: .*role"),
        ("openai", chat(messages="hello"), "line 2: .*messages"),
        ("openai", said(tool_calls=[{"id": "c"}]), "line 2: .*function"),
        ("openai", said(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": 3}}]), "line 2: .*arguments"),
        ("openai", "[" * 100_000, "line 2"),
        ("openai", '{"messages": ' + "[" * 5_000 + "]" * 5_000 + "}", "line 2"),
        ("openai", '{"messages": 1' + "0" * 10_000 + "}", "line 2"),
        ("openai", json.dumps(GOOD)[:-1], "line 2"),
        ("openai", json.dumps(GOOD) * 2, "line 2"),
        ("openai", "null", "line 2"),
        ("atif", atif(metrics={"cost_usd": float("nan")}), "line 2: .*cost_usd"),
        ("atif", atif(metrics={"completion_token_ids": [1, -2]}), "line 2: .*negative"),
        ("atif", atif(metrics={"completion_token_ids": [1], "logprobs": [-1, -2]}), "line 2: .*2 logprobs for 1"),
        ("atif", atif(metrics={"completion_token_ids": [1], "logprobs": [float("-inf")]}), "line 2: .*logprobs"),
        ("atif", atif(message=[{"type": "image", "source": {}}]), "line 2: .*image"),
        (
            "atif",
            atif(tool_calls=[{"tool_call_id": "c", "function_name": "f", "arguments": "x"}]),
            "line 2: .*arguments",
        ),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(take, tmp_path, form, line, words):
    good = chat() if form == "openai" else atif()
    (tmp_path / "in.jsonl").write_text(f"{good}\n{line}\n{good}\n")
    with pytest.raises(UsageError, match=words):
        take(form, tmp_path / "in.jsonl", "--task", "pears", "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("form", ["openai", "atif"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (chat().encode() + b"\n" + chat().replace("b", "\xe9").encode("latin-1"), "line 2: cannot read it as UTF-8"),
        (chat().encode("utf-16"), "line 1: cannot read it as UTF-8"),
        (b"\x1f\x8b\x08\x00binary", "line 1: cannot read it as UTF-8"),
    ],
)
def test_other_encodings_are_named_by_line(take, tmp_path, form, content, words):
    (tmp_path / "in.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        take(form, tmp_path / "in.jsonl", "-o", tmp_path / "run")


@pytest.mark.parametrize("form", ["openai", "atif"])
def test_a_pipe_is_not_waited_for(take, tmp_path, form):
    os.mkfifo(tmp_path / "in.jsonl")
    with pytest.raises(UsageError, match="not a regular file"):
        take(form, tmp_path / "in.jsonl", "-o", tmp_path / "run")


def test_a_mark_at_the_front_line_ends_of_windows_and_arguments_as_objects_are_taken(take, tmp_path):
    call = {"id": "c", "function": {"name": "f", "arguments": {"x": "雪"}}}
    lines = [chat(), said(content=None, tool_calls=[call]), chat(scaffold="a", more={"deep": [1e400]})]
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert take("openai", tmp_path / "in.jsonl", "-o", tmp_path / "run")["episodes"] == 3
    second = list(read_episodes(tmp_path / "run"))[1]
    assert second.trajectory.replies()[0].tool_calls[0].arguments == '{"x": "雪"}'


def test_logprobs_of_tokens_that_nobody_names_are_not_kept(take, tmp_path):
    (tmp_path / "in.json").write_text(atif(metrics={"logprobs": [-0.5]}))
    take("atif", tmp_path / "in.json", "--task", "pears", "-o", tmp_path / "run")
    (episode,) = read_episodes(tmp_path / "run")
    assert episode.trajectory.replies()[0].log_probs is None


@pytest.mark.parametrize("form", ["mlebench", "mledojo", "harbor", "sandmle-release"])
@pytest.mark.parametrize("place", ["public", "private"])
def test_a_task_with_a_link_in_it_is_not_exported(make, write_tasks, export_tasks, tmp_path, form, place):
    tasks = write_tasks(make.kinds[0])
    bad = make.write_task(tasks, make.kinds[1], "reaching-out")
    (bad / place / "extra.csv").symlink_to("/etc/hostname")
    summary = export_tasks(tasks, "--format", form, "-o", tmp_path / "out", code=1)
    assert "extra.csv is not a regular file" in summary["left_out"]["reaching-out"]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name == "extra.csv"]


def test_two_tasks_with_one_id_are_not_exported_one_over_the_other(make, tmp_path, export_tasks):
    for folder in ("a", "b"):
        make.write_task(tmp_path / folder, make.kinds[0], "twin")
    (tmp_path / "b" / "twin").rename(tmp_path / "a" / "other")
    with pytest.raises(TaskError, match="two tasks have the id 'twin'"):
        export_tasks(tmp_path / "a", "--format", "mlebench", "-o", tmp_path / "out")


def public(root, name="one", **files):
    folder = root / name / "prepared" / "public"
    folder.mkdir(parents=True)
    for required in bundles.REQUIRED:
        (folder / required).write_text(files.get(required, "id,y\n1,2\n"))
    return folder


def messages(root):
    (task,) = bundles.find_tasks(root)
    return [defect.message for defect in bundles.look(task) if defect.fatal]


def test_a_packed_bundle_is_to_be_unpacked_first(program, tmp_path):
    (tmp_path / "bundle.zip").write_bytes(b"PK")
    done = program("import", "sandmle-release", tmp_path / "bundle.zip", "-o", tmp_path / "out")
    assert "unpack it" in str(done.exception)


@pytest.mark.parametrize("linked", ["one", "one/prepared", "one/prepared/public"])
def test_folders_that_are_links_are_not_followed(tmp_path, linked):
    public(tmp_path / "bundle")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bundle" / linked).rename(tmp_path / "elsewhere" / "it")
    (tmp_path / "bundle" / linked).symlink_to(tmp_path / "elsewhere" / "it")
    assert any("is a link" in message for message in messages(tmp_path / "bundle"))


def test_a_pipe_and_a_link_in_a_bundle_are_not_opened(tmp_path):
    folder = public(tmp_path)
    os.mkfifo(folder / "pipe")
    (folder / "images").symlink_to("/")
    assert sorted(messages(tmp_path)) == ["images is a link or a device", "pipe is a link or a device"]


def test_what_would_fill_the_disk_is_left_out(tmp_path):
    with (public(tmp_path) / "images.bin").open("wb") as file:
        file.truncate(5 * 2**30)
    assert any("too much for one task" in message for message in messages(tmp_path))


def test_ids_twice_and_words_that_are_no_text_are_reported(tmp_path):
    folder = public(tmp_path, **{"answer.csv": "id,y\n1,2\n1,3\n"})
    (folder / "description.md").write_bytes(b"caf\xe9")
    (task,) = bundles.find_tasks(tmp_path)
    found = {defect.check: defect.message for defect in bundles.look(task)}
    assert "1 ids more than once, such as '1'" in found["ids"]
    assert "not UTF-8" in found["encoding"]
    (folder / "answer.csv").write_text("id,y\n7,2\n")
    assert "different ids" in {one.check: one.message for one in bundles.look(task)}["ids"]


@pytest.mark.parametrize("text", ["[" * 100_000, "\xff", "1" * 10_000, '{"a": 1}'])
def test_a_list_that_is_none_is_refused(tmp_path, text):
    public(tmp_path)
    (tmp_path / bundles.LIST).write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"cannot read|no JSON list"):
        bundles.listed(tmp_path)


def test_a_list_that_is_a_pipe_is_not_waited_for(tmp_path):
    public(tmp_path)
    os.mkfifo(tmp_path / bundles.LIST)
    with pytest.raises(UsageError, match="not a regular file"):
        bundles.listed(tmp_path)
