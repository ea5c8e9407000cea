import json
import math
import subprocess
import sys

import pytest

from sandmle.core.engine.store import (
    EPISODES,
    FailureRecord,
    open_store,
    read_config,
    read_episodes,
    read_failures,
)
from sandmle.core.errors import RunError
from sandmle.core.hooks.events import RunStarted

CONFIG = {"run": {"model": "offline/agent", "group_size": 4}, "tasks": {"a": "1f"}}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "run"


def test_episodes_come_back_equal(root, make_episode):
    episodes = [make_episode(slot=slot) for slot in range(3)]
    with open_store(root, CONFIG) as store:
        for episode in episodes:
            store.add_episode(episode)
    assert list(read_episodes(root)) == episodes


def test_numbers_that_json_has_no_word_for_come_back_exactly(root, make_episode):
    episode = make_episode(score=math.inf, log_probs=(math.nan, -math.inf, 0.1 + 0.2))
    with open_store(root, CONFIG) as store:
        store.add_episode(episode)
    (back,) = read_episodes(root)
    log_probs = back.trajectory.replies()[0].log_probs
    assert math.isnan(log_probs[0])
    assert log_probs[1:] == (-math.inf, 0.1 + 0.2)
    assert back.grade.score == math.inf
    json.loads((root / EPISODES).read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_the_line_of_an_episode_names_task_slot_and_outcome(root, make_episode):
    with open_store(root, CONFIG) as store:
        store.add_episode(make_episode(slot=2))
    line = json.loads((root / EPISODES).read_text())
    assert (line["task_id"], line["episode_id"], line["slot"], line["outcome"]) == ("a", "a/2", 2, "scored")


def test_reopening_knows_what_is_done(root, make_episode):
    with open_store(root, CONFIG) as store:
        store.add_episode(make_episode(slot=1))
    with open_store(root, CONFIG) as store:
        assert store.done == {("a", 1)}
        with pytest.raises(ValueError, match="recorded already"):
            store.add_episode(make_episode(slot=1))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_torn_last_line_is_cut_and_its_slot_played_again(root, make_episode, share):
    with open_store(root, CONFIG) as store:
        store.add_episode(make_episode(slot=0))
        store.add_episode(make_episode(slot=1))
    whole = (root / EPISODES).read_bytes()
    first = whole.index(b"\n") + 1
    (root / EPISODES).write_bytes(whole[: first + int(share * (len(whole) - first))])
    assert [one.slot for one in read_episodes(root)] == [0]
    with open_store(root, CONFIG) as store:
        assert store.done == {("a", 0)}
        store.add_episode(make_episode(slot=1))
    assert (root / EPISODES).read_bytes() == whole


def test_a_last_line_of_zeros_is_cut(root, make_episode):
    with open_store(root, CONFIG) as store:
        store.add_episode(make_episode(slot=0))
    with (root / EPISODES).open("ab") as file:
        file.write(b"\0" * 40 + b"\n")
    with open_store(root, CONFIG) as store:
        assert store.done == {("a", 0)}
    assert len(list(read_episodes(root))) == 1


def test_a_damaged_line_in_the_middle_is_refused_by_its_number(root, make_episode):
    with open_store(root, CONFIG) as store:
        store.add_episode(make_episode(slot=0))
    with (root / EPISODES).open("ab") as file:
        file.write(b"{}\n" + (root / EPISODES).read_bytes().replace(b'"slot":0', b'"slot":1'))
    with pytest.raises(RunError, match="line 2"), open_store(root, CONFIG):
        pass
    with pytest.raises(RunError, match="line 2: no readable episode: episode_id"):
        list(read_episodes(root))


def test_a_changed_configuration_is_refused_with_the_difference(root):
    with open_store(root, CONFIG):
        pass
    changed = {"run": {"model": "offline/agent", "group_size": 8, "reward": "x"}, "tasks": {}}
    with pytest.raises(RunError) as refusal, open_store(root, changed):
        pass
    assert str(refusal.value).splitlines()[1:] == [
        "  run.group_size: was 4, is 8",
        "  run.reward: was '(absent)', is 'x'",
        "  tasks.a: was '1f', is '(absent)'",
    ]
    assert read_config(root) == CONFIG


def test_a_long_difference_is_cut(root):
    with open_store(root, {"tasks": {f"t{number}": "x" for number in range(50)}}):
        pass
    with pytest.raises(RunError, match="and 30 more"), open_store(root, {"tasks": {}}):
        pass


def test_a_second_process_is_refused_while_the_first_runs_and_not_after_it_was_killed(root):
    code = (
        "import sys, time; from pathlib import Path; from sandmle.core.engine.store import open_store\n"
        f"with open_store(Path({str(root)!r}), {CONFIG!r}):\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(RunError, match="another process is running in"), open_store(root, CONFIG):
                pass
        finally:
            holder.kill()
    with open_store(root, CONFIG) as store:
        assert store.done == frozenset()


def test_a_directory_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match=r"thesis\.tex"), open_store(tmp_path, CONFIG):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_directory_may_hold_files_of_others(root):
    with open_store(root, CONFIG):
        pass
    (root / "notes.txt").write_text("mine")
    with open_store(root, CONFIG):
        pass


def test_a_file_in_place_of_the_directory_is_a_clear_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot be used"), open_store(tmp_path / "run", CONFIG):
        pass


def test_reading_what_is_no_run_is_a_clear_error(tmp_path):
    with pytest.raises(RunError, match="no run directory"):
        list(read_episodes(tmp_path))
    with pytest.raises(RunError, match="no run directory"):
        read_config(tmp_path)


def test_failures_come_back_and_events_are_logged(root):
    failure = FailureRecord(
        task_id="a", slot=0, attempt=1, kind="SandboxError", error="gone\n'", after="run_code", at="2026-01-01"
    )
    with open_store(root, CONFIG) as store:
        store.add_failure(failure)
        store.add_event(RunStarted(run_id="run", episodes=4, done=0))
    assert list(read_failures(root)) == [failure]
    event = json.loads((root / "events.jsonl").read_text())
    assert (event["event"], event["episodes"]) == ("RunStarted", 4)


def test_a_write_that_fails_halfway_leaves_no_half_line(tmp_path):
    # A file-size limit makes the kernel write a part of the line, as a full disk does.
    code = (
        "import resource, signal; from pathlib import Path; from sandmle.core.engine.line_log import open_log\n"
        "from sandmle.core.errors import StoreError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"with open_log(Path({str(tmp_path / 'log')!r})) as log:\n"
        "    log.append(b'1' * 60, durable=True)\n"
        "    try: log.append(b'2' * 60, durable=True)\n"
        "    except StoreError as problem: print(problem)\n"
        "    log.append(b'3' * 20, durable=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "only 39 of 61 bytes were written" in done.stdout
    assert (tmp_path / "log").read_bytes() == b"1" * 60 + b"\n" + b"3" * 20 + b"\n"
