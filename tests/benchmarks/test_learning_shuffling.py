from collections.abc import Sequence

import pytest

from sandmle.core.types.message import Message, ModelReply, ReplyOptions

LOOK = "<code>\nlook()\n</code>"


def views():
    from learning_parts.shuffling import View

    return [
        View(question=question, look=LOOK, answer=f"{question} {number}")
        for question, count in (("rmse", 5), ("accuracy", 2), ("qwk", 1))
        for number in range(count)
    ]


def conversation(question, *turns):
    first = [Message(role="system", content="rules"), Message(role="user", content=question)]
    roles = ("assistant", "user") * 3
    return [*first, *(Message(role=role, content=text) for role, text in zip(roles, turns, strict=False))]


def test_every_question_becomes_another_one_and_each_is_asked_once():
    from learning_parts.shuffling import swaps

    for seed in range(20):
        found = swaps(views(), seed).questions
        assert all(one != other for one, other in found.items())
        assert sorted(found.values()) == sorted(found)


def test_the_look_shown_is_that_of_a_task_that_asks_the_question_shown():
    from learning_parts.shuffling import swaps

    found = swaps(views(), 0)
    for view in views():
        shown = found.of(conversation(view.question, LOOK, view.answer))
        assert shown[1].content == found.questions[view.question]
        assert shown[3].content.split()[0] == shown[1].content
        assert shown[3].content in {one.answer for one in views()}


def test_later_turns_and_the_answer_to_anything_but_the_look_stay_the_tasks_own():
    from learning_parts.shuffling import swaps

    found = swaps(views(), 0)
    shown = found.of(conversation("rmse", "<code>\n1\n</code>", "rmse 0", LOOK, "rmse 1"))
    assert [one.content for one in shown[2:]] == ["<code>\n1\n</code>", "rmse 0", LOOK, "rmse 1"]


def test_a_conversation_grows_by_its_end_alone_as_exact_tokens_need():
    from learning_parts.shuffling import swaps

    found = swaps(views(), 0)
    whole = found.of(conversation("qwk", LOOK, "qwk 0", "program", "error"))
    for length in range(2, len(whole)):
        assert found.of(conversation("qwk", LOOK, "qwk 0", "program", "error")[:length]) == whole[:length]


def test_one_question_alone_cannot_be_swapped():
    from learning_parts.shuffling import swaps

    with pytest.raises(ValueError, match="same question"):
        swaps(views()[:5], 0)


async def test_the_model_is_asked_the_swapped_conversation():
    from learning_parts.shuffling import ShuffledModel, swaps

    class Echo:
        name = "echo"

        async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
            return ModelReply(text=messages[-1].content)

        async def close(self) -> None: ...

    found = swaps(views(), 0)
    said = await ShuffledModel(Echo(), found).reply(conversation("rmse"), ReplyOptions())
    assert said.text == found.questions["rmse"]


def test_a_look_at_the_rows_in_another_order_is_swapped_too():
    from learning_parts.shuffling import View, swaps

    views = [View(question=name, look=f"{LOOK}\ndraw = 3", answer=f"{name} looked at") for name in ("rmse", "qwk")]
    shown = swaps(views, 0).of(conversation("rmse", f"{LOOK}\ndraw = 7", "rmse in an order never printed before"))
    assert (shown[1].content, shown[3].content) == ("qwk", "qwk looked at")
