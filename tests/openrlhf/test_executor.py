"""The agent executor plays whole episodes of our own engine with an engine that only knows ids; nothing escapes it."""

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w
import torch
from openrlhf.utils.agent import AgentExecutorBase
from transformers import AutoModelForCausalLM, AutoTokenizer
from vllm import SamplingParams

from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.engine.scoring import Preset
from sandmle.core.engine.store import read_episodes, read_failures
from sandmle.core.engine.training import LOGGED
from sandmle.core.errors import ConfigError, SandboxError
from sandmle.core.types.episode import Outcome
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.model import LocalProvider
from sandmle.plugins.trainers.openrlhf.executor import AgentExecutor
from sandmle.plugins.trainers.openrlhf.files import VARIABLE
from sandmle.plugins.trainers.openrlhf.samples import TRAINED, VALID

SHAPE = PolicyShape(
    layers=2, hidden=32, heads=4, key_value_heads=2, feed_forward=64, context_tokens=8192, vocabulary=300
)
SUBMIT = (
    '<execute>\nimport shutil\nprint(shutil.copy("data/sample_submission.csv", "submission.csv"))\nsubmit()\n</execute>'
)
FINISH = "<solution>submission</solution>"
DIE = "<execute>\nimport os\nos._exit(1)\n</execute>"
SHARED = {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "max_tokens": 4000, "min_tokens": 1, "logprobs": 1}


class TransformersEngine:
    """A rollout actor of OpenRLHF with transformers for vLLM: it says a script first, then what it samples."""

    def __init__(self, folder: Path, *script: str) -> None:
        self.module = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
        self.codec = LocalProvider(LocalConfig()).open_codec(f"local/{folder}")
        self.script = script
        self.asked: list[tuple[list[int], SamplingParams]] = []
        self.threads: set[int] = set()
        self.cancelled = 0
        self.patience_s = 0.0
        self.reason: str | None = None

    async def generate(self, prompt_token_ids, sampling_params, multi_modal_data=None):
        self.asked.append((list(prompt_token_ids), sampling_params))
        self.threads.add(threading.get_ident())
        try:
            await asyncio.sleep(self.patience_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        turn = list(prompt_token_ids).count(self.codec.prompt([])[0]) - 1
        said = self.script[turn] if turn < len(self.script) else None
        forced = None if said is None else [*self.codec.encode(said), self.codec.end_id]
        return self._completion(list(prompt_token_ids), sampling_params, forced)

    @torch.inference_mode()
    def _completion(self, prompt, sampling, forced):
        ids, log_probs, cache, new = [], [], None, torch.tensor([prompt])
        while True:
            output = self.module(input_ids=new, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            scores = torch.log_softmax(output.logits[0, -1].float() / sampling.temperature, dim=-1)
            token = forced[len(ids)] if forced else int(torch.multinomial(scores.exp(), 1))
            ids.append(token)
            log_probs.append({token: SimpleNamespace(logprob=float(scores[token]))})
            over = "stop" if token in sampling.stop_token_ids else "length" if len(ids) >= sampling.max_tokens else None
            if over:
                one = SimpleNamespace(token_ids=ids, text="", logprobs=log_probs, finish_reason=self.reason or over)
                return SimpleNamespace(outputs=[one])
            new = torch.tensor([[token]])


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "tiny"
    LocalProvider(LocalConfig()).create_policy([SUBMIT, FINISH], SHAPE, 3, path)
    return path


@pytest.fixture(scope="module")
def tasks(sandmle, tmp_path_factory) -> Path:
    """One synthetic task."""
    folder = tmp_path_factory.mktemp("tasks") / "tasks"
    sandmle("synth", "-n", 1, "--rng-seed", 7, "-o", folder)
    return folder


@pytest.fixture(scope="module")
def task_id(tasks) -> str:
    [folder] = [path.parent for path in tasks.glob("*/task.toml")]
    return folder.name


@pytest.fixture(scope="module")
def open_executor(tasks, policy, tmp_path_factory):
    """Open an executor on a configuration; all are closed in the end."""
    opened = []

    def make(trainer=None, sections=None, **run):
        tree = {
            "run": {
                "scaffold": "codeact",
                "sandbox": "process",
                "trackers": [],
                "max_turns": 3,
                "max_tokens": 150,
                "cell_timeout_s": 60.0,
                "episode_timeout_s": 300.0,
                "infrastructure_retries": 1,
                **run,
            },
            "plugin": {
                "trainer": {"openrlhf": {"policy": str(policy), "tasks": str(tasks), **(trainer or {})}},
                **(sections or {}),
            },
        }
        file = tmp_path_factory.mktemp("training") / "config.toml"
        file.write_text(tomli_w.dumps(tree))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, str(file))
            opened.append(AgentExecutor())
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def executor(open_executor):
    """The one that most tests share, since a sandbox takes seconds to open."""
    return open_executor()


@pytest.fixture
def ask(policy, task_id):
    tokenizer = AutoTokenizer.from_pretrained(policy, local_files_only=True)

    async def execute(executor, engine, *, label=task_id, sampling=None, max_length=8000):
        shared = sampling or SamplingParams(**SHARED)
        return await executor.execute("what the dataset says", label, shared, max_length, tokenizer, engine)

    return execute


@pytest.fixture
def prompt(executor, ask, policy):
    """Ids of the first prompt."""

    async def find():
        engine = TransformersEngine(policy, FINISH)
        await ask(executor, engine)
        return engine.asked[0][0]

    return find


def recorded(executor) -> Path:
    """Its run directory; the last lines are those of the test that looks."""
    return executor.player.episodes._folder


async def test_a_whole_episode_in_a_real_sandbox_comes_back_token_exactly(executor, ask, policy):
    engine = TransformersEngine(policy, SUBMIT, FINISH)
    assert isinstance(executor, AgentExecutorBase)
    given = await ask(executor, engine)
    *_, episode = read_episodes(recorded(executor))
    assert (episode.outcome, given["failure"]) == (Outcome.SCORED, None)
    assert given["reward"] == given["scores"] == episode.reward.total > 0
    assert (given["prompt"], given["label"], given["images"]) == ("what the dataset says", episode.task_id, None)
    said = [given["observation_tokens"][start:end] for start, end in given["action_ranges"]]
    assert said == [[*engine.codec.encode(one), engine.codec.end_id] for one in (SUBMIT, FINISH)]
    # What the policy was shown the second time is what it was shown and wrote the first time, and more.
    first, second = (prompt for prompt, _ in engine.asked)
    assert second[: len(first) + len(said[0])] == first + said[0]
    assert given["observation_tokens"] == second + said[1]
    assert "submission.csv" in engine.codec.decode(second)


async def test_log_probs_are_those_of_a_plain_forward_pass_on_the_sampled_tokens_and_zero_elsewhere(
    executor, ask, policy
):
    engine = TransformersEngine(policy)
    given = await ask(executor, engine, sampling=SamplingParams(**{**SHARED, "temperature": 0.7}))
    ids = torch.tensor([given["observation_tokens"]])
    with torch.inference_mode():
        scores = torch.log_softmax(engine.module(ids).logits[0, :-1].float() / 0.7, dim=-1)
    plain = scores.gather(1, ids[0, 1:, None])[:, 0]
    acted = torch.zeros(len(ids[0]), dtype=torch.bool)
    for start, end in given["action_ranges"]:
        acted[start:end] = True
    found = torch.tensor(given["rollout_log_probs"])
    torch.testing.assert_close(found[1:][acted[1:]], plain[acted[1:]], atol=1e-4, rtol=0)
    assert not found[~acted].any()


async def test_the_shared_parameters_stay_as_they_are_and_each_turn_has_its_own_cap(executor, ask, policy):
    engine = TransformersEngine(policy)
    shared = SamplingParams(**SHARED)
    await ask(executor, engine, sampling=shared)
    assert vars(shared) == vars(SamplingParams(**SHARED))
    for _, sampling in engine.asked:
        assert sampling is not shared
        assert (sampling.max_tokens, sampling.min_tokens) == (150, 0)
        assert sampling.stop_token_ids == [engine.codec.end_id]


async def test_episodes_are_not_played_on_the_engines_own_loop(executor, ask, policy):
    engine = TransformersEngine(policy, SUBMIT, FINISH)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    await ask(executor, engine)
    ticking.cancel()
    assert engine.threads == {threading.get_ident()}
    assert executor.player.episodes._thread.ident != threading.get_ident()
    assert ticks > 2


async def test_a_conversation_without_room_ends_the_episode_and_still_gives_its_reward(executor, ask, policy):
    engine = TransformersEngine(policy)
    given = await ask(executor, engine, max_length=20)
    assert engine.asked == []
    assert (given["reward"], given["segments"]) == (0.0, [])
    assert (given["extra_logs"][VALID], given["extra_logs"][TRAINED]) == (1.0, 0.0)
    assert given["action_ranges"] == [(1, 2)]


async def test_an_episode_fits_the_length_it_was_given(executor, ask, policy, prompt):
    first = await prompt()
    given = await ask(executor, TransformersEngine(policy, SUBMIT), max_length=len(first) + 20)
    assert len(given["observation_tokens"]) == len(first) + 20
    assert given["action_ranges"] == [(len(first), len(first) + 20)]
    assert given["truncated"]


async def test_a_session_that_the_agent_kills_is_its_own_doing(executor, ask, policy):
    given = await ask(executor, TransformersEngine(policy, DIE))
    assert (given["extra_logs"][VALID], given["reward"], given["failure"]) == (1.0, 0.0, None)
    assert len(given["segments"]) == 1


async def test_an_engine_that_fails_makes_an_invalid_answer_after_a_second_try(executor, ask, policy):
    engine = TransformersEngine(policy)
    engine.reason = "abort"
    given = await ask(executor, engine)
    assert (given["extra_logs"][VALID], given["reward"]) == (0.0, None)
    assert "ProviderError: the rollout engine: ValueError: it ended a turn" in given["failure"]
    assert tuple(given["extra_logs"])[: len(LOGGED)] == LOGGED
    *_, episode = read_episodes(recorded(executor))
    failures = [one for one in read_failures(recorded(executor)) if one.slot == episode.slot]
    assert [one.attempt for one in failures] == [1, 2]
    assert (episode.outcome, episode.attempts) == (Outcome.INFRASTRUCTURE, 2)


async def test_a_sandbox_that_fails_once_is_tried_again(executor, ask, policy, monkeypatch):
    sandbox = executor.player.episodes._crew.sandbox
    opened, whole = [], sandbox.session

    def session(**how):
        opened.append(how)
        if len(opened) == 1:
            raise SandboxError("no session can be had")
        return whole(**how)

    monkeypatch.setattr(sandbox, "session", session)
    given = await ask(executor, TransformersEngine(policy, SUBMIT, FINISH))
    assert given["extra_logs"][VALID] == 1.0
    *_, failure = read_failures(recorded(executor))
    assert (failure.kind, failure.after) == ("SandboxError", "none")
    *_, episode = read_episodes(recorded(executor))
    assert episode.attempts == 2


class Silent:
    name = "silent"

    def value(self, episode):
        return None


async def test_an_episode_whose_reward_has_no_value_leaves_its_group_and_ends_nothing(
    executor, ask, policy, monkeypatch
):
    preset = Preset(name="silent", weights={"silent": 1.0}, milestones=(Silent(),))
    monkeypatch.setattr(executor.player.episodes, "_crew", replace(executor.player.episodes._crew, preset=preset))
    given = await ask(executor, TransformersEngine(policy, SUBMIT, FINISH))
    assert (given["extra_logs"][VALID], given["reward"], given["segments"]) == (0.0, None, [])
    assert "has the reward None" in given["failure"]


async def test_an_unknown_task_is_an_invalid_answer_that_names_the_nearest(executor, ask, policy, task_id):
    given = await ask(executor, TransformersEngine(policy), label=task_id + "x")
    assert given["extra_logs"][VALID] == 0.0
    assert repr(task_id) in given["failure"]


async def test_an_engine_that_never_answers_is_given_up_and_its_request_cancelled(open_executor, ask, policy):
    engine = TransformersEngine(policy)
    engine.patience_s = 3600.0
    given = await ask(open_executor(llm_timeout_s=2.0, infrastructure_retries=0), engine)
    assert given["extra_logs"][VALID] == 0.0
    assert "no answer within" in given["failure"]
    assert engine.cancelled == 1


async def test_being_cancelled_ends_the_session(executor, ask, policy):
    engine = TransformersEngine(policy)
    engine.patience_s = 3600.0
    playing = asyncio.create_task(ask(executor, engine))
    while not engine.asked:
        await asyncio.sleep(0.05)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    engine.patience_s = 0.0
    engine.script = (SUBMIT, FINISH)
    assert (await ask(executor, engine))["extra_logs"][VALID] == 1.0
    assert engine.cancelled == 1


async def test_the_answers_of_a_group_have_the_same_keys_whatever_came_of_them(executor, ask, policy):
    broken = TransformersEngine(policy)
    broken.reason = "abort"
    engines = [TransformersEngine(policy), TransformersEngine(policy, SUBMIT), broken]
    answers = await asyncio.gather(*[ask(executor, one) for one in engines])
    assert len({tuple(one["extra_logs"]) for one in answers}) == 1
    assert len({tuple(one) for one in answers}) == 1
    assert all(one["action_ranges"] for one in answers)


async def test_masked_stops_count_and_are_not_trained(open_executor, ask, policy):
    made = open_executor(trainer={"grpo": {"masked_stops": ["max_turns"]}}, max_turns=1, max_tokens=150)
    given = await ask(made, TransformersEngine(policy, SUBMIT))
    assert (given["extra_logs"][VALID], given["extra_logs"][TRAINED], given["segments"]) == (1.0, 0.0, [])
    assert given["reward"] > 0


async def test_a_scaffold_that_branches_gives_a_segment_for_each_of_its_conversations(open_executor, ask, policy):
    made = open_executor(scaffold="aide", max_turns=6, max_tokens=20)
    given = await ask(made, TransformersEngine(policy))
    assert len(given["segments"]) > 1
    assert {len(one["action_ranges"]) for one in given["segments"]} == {1}
    assert {one["reward"] for one in given["segments"]} == {given["reward"]}
    assert given["observation_tokens"] == given["segments"][0]["observation_tokens"]


def test_without_the_variable_the_executor_says_what_is_missing(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=VARIABLE):
        AgentExecutor()
    assert VARIABLE not in os.environ


def test_a_sandbox_that_cannot_start_stops_the_worker_at_once(open_executor):
    sections = {"sandbox": {"process": {"level": "L3", "allow": []}}}
    with pytest.raises((ConfigError, SandboxError)):
        open_executor(sections=sections)
