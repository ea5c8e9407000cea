"""The synthesizer's roles played by models behind loopback servers: good, sloppy, malicious, slow and costly ones."""

import json
import random
from dataclasses import replace

import pytest

from sandmle.core.engine.ledger import read_ledger
from tests.loopback.protocols import PROTOCOLS
from tests.loopback.role_players import (
    good,
    hopeless,
    malicious,
    misbehaving,
    outrageous_replies,
    planting_scripts,
    sloppy,
    telling_scripts,
)
from tests.loopback.server import serving

pytestmark = pytest.mark.slow

OPENAI, ANTHROPIC = PROTOCOLS["openai"], PROTOCOLS["anthropic"]
KEYS = {"OPENAI_API_KEY": "loopback-key", "ANTHROPIC_API_KEY": "loopback-key"}
ONE_SEED = ("--set", 'synthesis.seed_ids=["diabetes-progression"]')


def address(protocol, server):
    return f"{server.address}{protocol.suffix}"


def synth(sandmle, out, *words, code=0):
    done = sandmle("synth", "-o", out, *ONE_SEED, "--json", *words, code=code, **KEYS)
    return json.loads(done.stdout), done.stderr


def listening(protocol, play, asked):
    """A responder that keeps what it was asked."""

    def noted(messages, request):
        asked.append(request)
        return play(messages, request)

    return protocol.responder(noted)


@pytest.mark.parametrize("protocol", [OPENAI, ANTHROPIC], ids=lambda one: one.name)
def test_a_model_that_breaks_half_its_answers_still_fills_the_corpus(sandmle, tmp_path, protocol):
    asked = []
    with serving(listening(protocol, sloppy, asked)) as server:
        words = ("-n", 2, "--model", protocol.model, "--api-base", address(protocol, server))
        made, _ = synth(sandmle, tmp_path / "out", *words)
    assert (made["complete"], made["accepted"]) == (True, 2)
    tries = [line.tries for line in read_ledger(tmp_path / "out")]
    assert any(count > 1 for each in tries for count in each.values())
    # Each reply is of 11 and 3 tokens; what was on its way to the two workers at the end came to no one.
    assert len(asked) - 2 <= made["spent"]["all"]["prompt_tokens"] / 11 <= len(asked)


def test_each_role_has_its_own_model_over_its_own_protocol(sandmle, tmp_path):
    first, second = [], []
    with serving(listening(OPENAI, good, first)) as one, serving(listening(ANTHROPIC, good, second)) as other:
        made, _ = synth(
            sandmle, tmp_path / "out", "-n", 1, "--model", "openai/plain",
            "--role-model", "ml-developer=openai/coder", "--role-model", "technical-writer=anthropic/author",
            "--set", f'plugin.llm.litellm.models."openai/*".api_base={address(OPENAI, one)}',
            "--set", f'plugin.llm.litellm.models."anthropic/*".api_base={address(ANTHROPIC, other)}',
        )  # fmt: skip
    assert made["complete"]
    models = {request.body["model"] for request in first}
    assert models == {"plain", "coder"}
    assert {request.body["model"] for request in second} == {"author"}
    [task] = (tmp_path / "out").glob("*/task.toml")
    said = "ml-developer: openai/coder, mlops-engineer: openai/plain, technical-writer: anthropic/author"
    assert said in task.read_text("utf-8")


def test_no_attack_of_a_malicious_model_works_or_is_accepted(sandmle, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the crown jewels")
    asked = []
    attacks = {}
    respond = OPENAI.responder(lambda messages, request: malicious(list(attacks.values()))(messages, request))

    def noted(request):
        asked.append(request)
        return respond(request)

    with serving(noted) as server:
        attacks.update({**telling_scripts(str(secret), server.server_port), **planting_scripts()})
        made, _ = synth(
            sandmle, tmp_path / "out", "-n", 1, "--model", "openai/test", "--api-base", address(OPENAI, server),
            "--set", "synthesis.tries=2", "--set", "synthesis.max_drafts_per_task=30",
            "--set", "synthesis.script_timeout_s=12",
        )  # fmt: skip
    lines = read_ledger(tmp_path / "out")
    fates = dict(zip(attacks, lines, strict=False))
    assert [name for name, line in fates.items() if line.task_id] == []
    assert made["accepted"] == 1
    assert lines[len(attacks)].task_id is not None
    assert not any("stolen" in request.path for request in asked)
    sent = json.dumps([request.body for request in asked])
    # What the scripts found went back to the model, and it was nothing.
    assert "opened: []" in sent
    assert "loot: " in sent
    assert "crown jewels" not in sent
    assert "loopback-key" not in sent
    kept = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"crown jewels" not in kept
    assert b"loopback-key" not in kept


@pytest.mark.parametrize("protocol", [OPENAI, ANTHROPIC], ids=lambda one: one.name)
def test_replies_that_are_too_much_for_whoever_reads_them_are_refused_and_end_nothing(sandmle, tmp_path, protocol):
    attacks = outrageous_replies()
    with serving(protocol.responder(misbehaving(list(attacks.values())))) as server:
        made, _ = synth(
            sandmle, tmp_path / "out", "-n", 1, "--model", protocol.model, "--api-base", address(protocol, server),
            "--set", "synthesis.tries=1", "--set", "synthesis.max_drafts_per_task=30",
            "--set", "synthesis.script_timeout_s=12",
        )  # fmt: skip
    lines = read_ledger(tmp_path / "out")
    fates = dict(zip(attacks, lines, strict=False))
    assert [name for name, line in fates.items() if line.task_id] == []
    assert {name: line.check for name, line in fates.items() if line.check != f"role:{attacks[name][0]}"} == {
        "other rows on each run": "deterministic-generator",
        "a sample that no sum holds": "evidence",
    }
    assert made["accepted"] == 1
    assert lines[len(attacks)].task_id is not None


def test_nothing_of_a_users_rows_leaves_the_machine(sandmle, tmp_path):
    rng = random.Random(0)
    lines = ["zanzibar,kind,badge,wages"]
    for _ in range(120):
        kind, share = rng.choice(["quicksilver", "hollyhock"]), rng.gauss(0, 1)
        lines.append(f"{share:.4f},{kind},{rng.choice([8675309, 8675310])},{40 + 3 * share:.3f}")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "nightingale.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "own" / "nightingale.md").write_text("Marmalade of saffron. Target: wages, scored by mae.")
    asked = []
    with serving(listening(OPENAI, good, asked)) as server:
        done = sandmle(
            "synth", "-o", tmp_path / "out", "-n", 1, "--model", "openai/test", "--api-base", address(OPENAI, server),
            "--seeds", "folder", "--set", f"plugin.seeds.folder.path={tmp_path / 'own'}", "--json", **KEYS,
        )  # fmt: skip
    assert json.loads(done.stdout)["complete"]
    sent = "".join(f"{request.path}{request.headers}{json.dumps(request.body)}" for request in asked).lower()
    assert '\\"strongest_dependence\\"' in sent
    secrets = ("zanzibar", "quicksilver", "hollyhock", "86753", "wages", "nightingale", "marmalade", "saffron", "own/")
    cells = [cell for line in lines[1:] for cell in line.split(",") if "." in cell]
    assert [word for word in (*secrets, *cells) if word in sent] == []
    kept = b"".join(path.read_bytes() for path in (tmp_path / "out").glob("*/**/*") if path.is_file())
    assert b"zanzibar" not in kept


def test_a_slow_model_is_waited_for_and_one_that_hangs_is_said_to_and_resumed(sandmle, tmp_path):
    respond = OPENAI.responder(good)
    delays = {"all": 0.3}

    def slowly(request):
        return replace(respond(request), delay_s=delays["all"])

    with serving(slowly) as server:
        words = ("--workers", 1, "--model", "openai/test", "--api-base", address(OPENAI, server))
        made, _ = synth(sandmle, tmp_path / "out", "-n", 1, *words)
        assert made["complete"]
        delays["all"] = 600
        hasty = ("--set", "plugin.llm.litellm.num_retries=0", "--set", "plugin.llm.litellm.timeout_s=3")
        # What a draft begun ahead was answered is kept: many are asked for, so that some have to be asked anew.
        done = sandmle("synth", "-o", tmp_path / "out", *ONE_SEED, "-n", 9, *words, *hasty, code=4, **KEYS)
        assert "model 'openai/test': no reply within 3 s" in done.stderr
    with serving(respond) as server:
        words = ("--model", "openai/test", "--api-base", address(OPENAI, server))
        assert synth(sandmle, tmp_path / "out", "-n", 2, *words)[0]["accepted"] >= 2


def test_a_cap_stops_it_says_why_and_raised_it_goes_on_without_paying_twice(sandmle, tmp_path):
    asked = []
    with serving(listening(OPENAI, good, asked)) as server:
        words = (
            "-n", 2, "--workers", 1, "--model", "openai/test", "--api-base", address(OPENAI, server),
            "--set", 'plugin.llm.litellm.models."openai/test".usd_per_million_prompt_tokens=1000',
            "--set", 'plugin.llm.litellm.models."openai/test".usd_per_million_completion_tokens=0',
        )  # fmt: skip
        # A reply costs 11 thousandths of a dollar; a draft has four, and the fifth is the second draft's first.
        short, said = synth(sandmle, tmp_path / "out", *words, "--budget-usd", "0.05", code=3)
        assert (short["drafts"], short["complete"]) == (1, False)
        assert "0.055 of 0.05 USD are spent" in short["stopped"]
        assert short["stopped"] in said
        assert len(asked) == 5
        done, _ = synth(sandmle, tmp_path / "out", *words, "--budget-usd", "5")
    assert done["complete"]
    roles = [json.dumps(request.body["messages"]) for request in asked]
    assert len(set(roles)) == len(roles)
    # A reply that was on its way to a draft no longer wanted comes to no one.
    replies = round(done["spent"]["all"]["cost_usd"] / 0.011)
    assert len(asked) - 1 <= replies <= len(asked)
    assert done["spent"]["technical-writer"]["prompt_tokens"] >= 11 * done["drafts"]


def test_a_hopeless_model_stops_at_its_role_s_cap(sandmle, tmp_path):
    with serving(OPENAI.responder(hopeless)) as server:
        words = ("-n", 2, "--workers", 1, "--model", "openai/test", "--api-base", address(OPENAI, server))
        cap = ("--set", "budget.role_tokens.data-strategist=100")
        short, said = synth(sandmle, tmp_path / "out", *words, *cap, code=3)
    assert short["accepted"] == 0
    assert "budget of role data-strategist is used up: 112 of 100 tokens are spent" in said
    assert short["rejections"] == {"role:data-strategist": 2}


def test_a_cap_in_usd_needs_a_price(sandmle, tmp_path):
    words = ("-n", 1, "--model", "openai/of-my-own", "--api-base", "http://127.0.0.1:9/v1")
    done = sandmle("synth", "-o", tmp_path / "out", *words, "--set", "budget.role_usd.ml-developer=1", code=2, **KEYS)
    assert "what openai/of-my-own costs, which plays ml-developer" in done.stderr
    assert "usd_per_million_prompt_tokens" in done.stderr
