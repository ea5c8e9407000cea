"""Reasoning goes with the model's own turns, in the record and back to the provider that may want it."""

from dataclasses import replace

import pytest

from sandmle.core.types.message import ModelReply, Reasoning

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Thinker:
    """Thinks apart from what it says."""

    name = "puppet/thinker"
    script = ("write 0.05", "finish")

    def __init__(self):
        self.conversations = []

    async def reply(self, messages, options):
        self.conversations.append(tuple(messages))
        turn = sum(message.role == "assistant" for message in messages)
        return ModelReply(text=self.script[turn], reasoning=Reasoning(text=f"thought {turn}"), cached=True)

    async def close(self):
        pass


async def test_own_turns_carry_what_was_thought_and_the_text_does_not(stage, play):
    model = Thinker()
    (episode,) = (await play(stage.crew((), model=model))).episodes
    assert [one.reasoning.text for one in episode.trajectory.replies()] == ["thought 0", "thought 1"]
    own = [one for one in model.conversations[-1] if one.role == "assistant"]
    assert [(one.content, one.reasoning.text) for one in own] == [("write 0.05", "thought 0")]
    assert all(one.reasoning is None for one in model.conversations[-1] if one.role != "assistant")
    assert len(episode.trajectory.segments) == 1


async def test_what_was_paid_for_earlier_leaves_the_same_trajectory(stage, play):
    (episode,) = (await play(stage.crew((), model=Thinker()))).episodes
    assert not any(one.cached for one in episode.trajectory.replies())


async def test_a_thought_given_apart_counts_as_thinking_first(stage, play):
    (episode,) = (await play(stage.crew((), model=Thinker()))).episodes
    assert episode.reward.parts["format"] == 1.0


async def test_half_a_character_in_a_thought_does_not_end_the_run(stage, play):
    class Halting(Thinker):
        async def reply(self, messages, options):
            said = await super().reply(messages, options)
            return replace(said, reasoning=Reasoning(text="half \ud83d", signed='["\udc00"]'))

    (episode,) = (await play(stage.crew((), model=Halting()))).episodes
    assert {(one.reasoning.text, one.reasoning.signed) for one in episode.trajectory.replies()} == {("half ?", '["?"]')}
