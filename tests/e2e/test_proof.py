"""One hash for a corpus: the same whatever the kills, and proof of every byte, through the program."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WORDS = ("synth", "-n", "6", "--rng-seed", "7", "--json")


def manifest_of(out: Path) -> bytes:
    return (out / "manifest.json").read_bytes()


@pytest.fixture
def own_temporary_folder():
    """Shared with no other test, and short: sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="sk") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


def test_the_hash_that_is_printed_is_that_of_the_manifest_and_proves_the_corpus(sandmle_json, corpus):
    made = sandmle_json(*WORDS[:-1], "-o", corpus)
    assert made["manifest_sha256"] == hashlib.sha256(manifest_of(corpus)).hexdigest()
    assert sandmle_json("tasks", "verify", corpus, "--manifest-sha256", made["manifest_sha256"]) == {
        "tasks": 6,
        "manifest_sha256": made["manifest_sha256"],
        "regenerated": False,
        "problems": [],
    }


def test_killed_at_random_moments_it_ends_with_the_same_hash_and_leaves_no_folders(
    sandmle, corpus, tmp_path, own_temporary_folder
):
    rng, out, kills = random.Random(3), tmp_path / "out", 0
    own = {"TMPDIR": str(own_temporary_folder)}
    for _ in range(10):
        running = subprocess.Popen(
            [sys.executable, "-m", "sandmle.cli", *WORDS, "-o", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **own},
        )
        # What is waited for is progress, since a busy machine may need many times as long as an idle one.
        goal = _progress(out) + rng.choice([0, 1])
        while running.poll() is None and _progress(out) < goal:
            time.sleep(0.05)
        time.sleep(rng.random() * 2)
        if running.poll() is None:
            running.send_signal(signal.SIGKILL)
            kills += 1
        running.wait()
        if _progress(out) >= 5:
            break
    assert kills >= 3
    sandmle(*WORDS, "-o", out, **own)
    assert manifest_of(out) == manifest_of(corpus)
    assert list(own_temporary_folder.glob("sandmle-public-*")) == []


def _progress(out: Path) -> int:
    ledger = out / "ledger.jsonl"
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def test_a_corpus_is_made_anew_and_a_board_that_was_touched_up_is_found(sandmle, sandmle_json, corpus, tmp_path):
    done = sandmle_json("tasks", "verify", corpus, "--regenerate")
    assert (done["tasks"], done["regenerated"], done["problems"]) == (6, True, [])
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    task = next(iter(sorted(copy.glob("*/task.toml")))).parent
    answers = task / "private" / "answers.csv"
    lines = answers.read_text("utf-8").splitlines()
    answers.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n", "utf-8")
    found = json.loads(sandmle("tasks", "verify", copy, "--regenerate", "--json", code=1).stdout)
    assert found["regenerated"] is False
    assert [(one["task"], one["check"]) for one in found["problems"]] == [(task.name, "content-hash")]
    assert "none made anew because of what was found" in sandmle("tasks", "verify", copy, "--regenerate", code=1).stdout
    refused = sandmle("tasks", "verify", task, "--manifest-sha256", "0" * 64, code=2)
    assert "hash is of a whole corpus" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--manifest-sha256", ""], "64 hexadecimal digits"),
        (["--manifest-sha256", "abc"], "64 hexadecimal digits"),
        (["--set", "nonsense.key=1"], "nonsense"),
    ],
)
def test_words_that_mean_nothing_are_refused_before_anything_is_read(sandmle, corpus, words, said):
    assert said in sandmle("tasks", "verify", corpus, *words, code=2).stderr
