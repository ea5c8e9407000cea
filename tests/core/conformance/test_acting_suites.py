"""The suites of providers, roles and trainers pass what is built in and say what is wrong with something broken."""

import asyncio
import random
import sys

import pytest
from pydantic import BaseModel

from sandmle.core.conformance.drafts import sample_draft
from sandmle.core.conformance.llm import ScriptedModel, check_provider
from sandmle.core.conformance.role import check_role
from sandmle.core.conformance.trainer import check_trainer
from sandmle.core.contracts.synthesis import RoleVerdict
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import PluginError, UsageError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.message import Message, ModelReply

MOODS = random.Random(0)


@pytest.fixture(scope="module")
def toolkit():
    return open_toolkit()


@pytest.fixture
def tasks(tmp_path):
    write_task(tmp_path / "tasks", sample_draft())
    return tmp_path / "tasks"


# Providers


class Provider:
    def __init__(self, answer, name=None):
        self.answer, self.name = answer, name

    def open_model(self, model):
        return ScriptedModel(self.answer, name=self.name or model)


async def test_a_provider_of_scripted_models_passes():
    await check_provider(Provider(lambda messages, options: "word"), "mine/model")


async def test_the_offline_provider_passes(toolkit):
    await check_provider(toolkit.make(Kind.LLM, "offline"), "offline/agent")


def broken_answer(messages, options):
    raise ValueError("no answer")


@pytest.mark.parametrize(
    ("provider", "complaint"),
    [
        (Provider(broken_answer), "model 'mine/model' failed; what it cannot answer is a ProviderError: ValueError"),
        (Provider(lambda messages, options: str(MOODS.random())), "different replies to the same sample index"),
        (Provider(lambda messages, options: "word", name="other"), "opened a model named 'other'"),
        (Provider(lambda messages, options: ModelReply(text="x", finish_reason="end")), "finish_reason is 'end'"),
        (object(), "it has no `open_model`"),
    ],
)
async def test_a_broken_provider_is_told_what_is_wrong(provider, complaint):
    with pytest.raises(PluginError) as caught:
        await check_provider(provider, "mine/model")
    assert complaint in str(caught.value)


# Roles


class Note(BaseModel):
    text: str


class Scribe:
    name = "scribe"
    answer_type = Note

    def prompt(self, dossier):
        return [Message(role="user", content=f"Describe {dossier.seed.title}.")]

    async def trial(self, answer, dossier, sandbox):
        return RoleVerdict(problem=None if answer.text else "say something")


async def test_a_sound_role_passes_with_right_wrong_and_unreadable_answers():
    await check_role(Scribe(), None, [{"text": "yes"}, {"text": ""}, {"txet": 3}])


async def test_the_built_in_technical_writer_passes(toolkit):
    await check_role(toolkit.make(Kind.ROLE, "technical-writer"), None, [{"description": "word " * 100}])


class RaisesInTrial(Scribe):
    async def trial(self, answer, dossier, sandbox):
        raise ValueError("bad answer")


class SaysYes(Scribe):
    async def trial(self, answer, dossier, sandbox):
        return True


class WritesElsewhere(Scribe):
    async def trial(self, answer, dossier, sandbox):
        return RoleVerdict(files={"../note": b""})


class AsksInText(Scribe):
    def prompt(self, dossier):
        return "describe"


class Moody(Scribe):
    def prompt(self, dossier):
        return [Message(role="user", content=str(MOODS.random()))]


class AnswersADict(Scribe):
    answer_type = dict


class AsksForMissing(Scribe):
    def prompt(self, dossier):
        return [dossier.answers["nobody"]]


@pytest.mark.parametrize(
    ("role", "complaint"),
    [
        (RaisesInTrial(), "failed in its trial(); a wrong answer is a verdict, never an exception: ValueError"),
        (SaysYes(), "trial() gave a bool; give a RoleVerdict"),
        (WritesElsewhere(), "the file '../note'"),
        (AsksInText(), "prompt() gave a str"),
        (Moody(), "two prompts for the same dossier"),
        (AnswersADict(), "make it a pydantic model class"),
        (AsksForMissing(), "failed in its prompt(): KeyError: 'nobody'"),
    ],
)
async def test_a_broken_role_is_told_what_is_wrong(role, complaint):
    with pytest.raises(PluginError) as caught:
        await check_role(role, None, [{"text": "yes"}])
    assert complaint in str(caught.value)


# Trainers


class Counting:
    """Trains nothing, and counts the tasks: the least that keeps the contract."""

    async def train(self, toolkit, tasks, out, drain):
        found = [path for path in tasks.iterdir() if path.is_dir()] if tasks.is_dir() else []
        if not found:
            raise UsageError(f"no tasks in {tasks}")
        if not drain.is_set():
            out.mkdir(parents=True, exist_ok=True)
            (out / "policy.txt").write_text(str(len(found)))


class TakesNoTasks(Counting):
    async def train(self, toolkit, tasks, out, drain):
        out.mkdir(parents=True, exist_ok=True)
        (out / "policy.txt").write_text("0")


class LeavesNothing(Counting):
    async def train(self, toolkit, tasks, out, drain):
        await super().train(toolkit, tasks, out / "../elsewhere", drain)


class StumblesOverItsOwn(Counting):
    async def train(self, toolkit, tasks, out, drain):
        if (out / "policy.txt").exists():
            raise FileExistsError(out)
        await super().train(toolkit, tasks, out, drain)


class NeverDrains(Counting):
    async def train(self, toolkit, tasks, out, drain):
        await super().train(toolkit, tasks, out, drain)
        while drain.is_set():
            await asyncio.sleep(0.01)


class Returns(Counting):
    async def train(self, toolkit, tasks, out, drain):
        await super().train(toolkit, tasks, out, drain)
        return out


async def test_a_sound_trainer_passes(toolkit, tasks, tmp_path):
    await check_trainer(Counting(), toolkit, tasks, tmp_path / "out")


@pytest.mark.parametrize(
    ("trainer", "complaint"),
    [
        (TakesNoTasks(), "trained on a folder without tasks"),
        (LeavesNothing(), "left nothing in its output directory"),
        (StumblesOverItsOwn(), "failed resuming a training that was finished: FileExistsError"),
        (NeverDrains(), "although it was to drain before it began"),
        (Returns(), "train() returned a"),
    ],
)
async def test_a_broken_trainer_is_told_what_is_wrong(trainer, complaint, toolkit, tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[check_trainer.__module__], "DRAIN_DEADLINE_S", 1.0)
    with pytest.raises(PluginError) as caught:
        await check_trainer(trainer, toolkit, tasks, tmp_path / "out")
    assert complaint in str(caught.value)
