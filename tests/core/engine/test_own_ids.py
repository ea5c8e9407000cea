"""The policy's own turns reach it as the ids it sampled, and a conversation without room ends the episode."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from sandmle.core.engine.attempt import Attempt
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.core.types.trajectory import Action, ActionKind, StopReason


@dataclass
class ExactModel:
    """Says `turn N`, sampled as ids that no encoding of the text would give; notes what it was sent."""

    room: int = 99
    name: str = "puppet/exact"
    sent: list[tuple[Message, ...]] = field(default_factory=list)

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        self.sent.append(tuple(messages))
        turn = len(self.sent) - 1
        if turn >= self.room:
            return ModelReply(text="", finish_reason="context")
        return ModelReply(text=f"turn {turn}", prompt_ids=(1,), sampled_ids=(100 + turn, 7), log_probs=(-0.5, -0.1))

    async def close(self) -> None:
        pass


@dataclass
class TalkingScaffold:
    """Asks with conversations that a test makes of what was said so far."""

    edit: object
    turns: int = 3
    name: str = "talking"

    async def run(self, episode) -> None:
        said = [Message(role="user", content="go")]
        for _ in range(self.turns):
            reply = await episode.ask(self.edit(said))
            said += [Message(role="assistant", content=reply.text), Message(role="user", content="on")]
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        return ""


async def play(stage, task, edit, **changes):
    model = ExactModel(**changes)
    crew = stage.crew([], model=model, scaffold=TalkingScaffold(edit=edit))
    return model, await Attempt(crew, task, 0).play()


def own_ids(sent: Sequence[Message]) -> list[tuple[int, ...] | None]:
    return [message.token_ids for message in sent if message.role == "assistant"]


async def test_unchanged_turns_carry_the_ids_they_were_sampled_as(stage, task):
    model, episode = await play(stage, task, lambda said: said)
    assert [own_ids(sent) for sent in model.sent] == [[], [(100, 7)], [(100, 7), (101, 7)]]
    assert len(episode.trajectory.segments) == 1


async def test_a_turn_whose_text_was_changed_carries_none(stage, task):
    def shout(said):
        return [replace(one, content=one.content.upper(), token_ids=(1, 2)) for one in said]

    model, episode = await play(stage, task, shout)
    assert [own_ids(sent) for sent in model.sent] == [[], [None], [None, None]]
    assert len(episode.trajectory.segments) == 3


async def test_a_pruned_conversation_keeps_the_ids_of_the_turns_it_keeps(stage, task):
    model, episode = await play(stage, task, lambda said: [said[0], *said[-2:]] if len(said) > 4 else said)
    assert own_ids(model.sent[2]) == [(101, 7)]
    assert len(episode.trajectory.segments) == 2


async def test_only_what_the_policy_wrote_gets_ids(stage, task):
    model, _ = await play(stage, task, lambda said: [*said, Message(role="user", content="turn 0", token_ids=(5,))])
    assert all(one.token_ids is None for sent in model.sent for one in sent if one.role == "user")


@pytest.mark.parametrize("room", [0, 1])
async def test_a_conversation_without_room_ends_the_episode_by_its_context(stage, task, room):
    model, episode = await play(stage, task, lambda said: said, room=room)
    assert episode.stop_reason is StopReason.CONTEXT
    assert episode.failure is None
    assert len(episode.trajectory.replies()) == room == len(model.sent) - 1
