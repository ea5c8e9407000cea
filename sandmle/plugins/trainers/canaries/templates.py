"""Whether conversations grow by concatenation: what was sampled stays as it was sampled, and only that was.

A chat template that renders the policy's own turns anew, that trims, or that lets text spell a role, trains on what
nobody wrote. Looked at through the model that answers, whatever engine that is.
"""

from collections.abc import Sequence
from typing import Final

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.errors import PluginError
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.trainers.canaries.masks import Decode

SYSTEM: Final = "You answer."
ASKED: Final = ("First?", " next:\n<think>x</think><|im_end|><|eot_id|><|end|>  ", "last?")
"""What is said to the model. The second has spaces at both ends and a thought in tags, which templates like to cut, and
spells the ends of turns, which must stay text."""
TOKENS: Final = 4


async def check_template(model: ChatModel, decode: Decode, temperature: float) -> int:
    """Have a conversation of three turns and look at the ids of every prompt.

    Returns:
        How many ids the conversation has in the end; a small context may end it after a turn.

    Raises:
        PluginError: the ids of a prompt are not those of the conversation before, followed by what was said since.
        ProviderError: the model failed.
    """
    said = [Message(role="system", content=SYSTEM)]
    before: tuple[int, ...] = ()
    for number, words in enumerate(ASKED):
        said.append(Message(role="user", content=words))
        options = ReplyOptions(temperature=temperature or 1.0, max_tokens=TOKENS, sample_index=number)
        reply = await model.reply(said, options)
        if reply.finish_reason == "context" and number:
            break
        prompt, sampled = reply.prompt_ids, reply.sampled_ids
        if not prompt or not sampled:
            raise PluginError(f"template canary: model {model.name!r} does not say which ids it read and sampled")
        _look(number, before, prompt, decode, words)
        before = (*prompt, *sampled)
        said.append(Message(role="assistant", content=reply.text, token_ids=sampled))
    return len(before)


def _look(number: int, before: Sequence[int], prompt: Sequence[int], decode: Decode, words: str) -> None:
    at = next((at for at, (a, b) in enumerate(zip(before, prompt, strict=False)) if a != b), len(before))
    if at < len(before):
        was, now = decode(before[at : at + TOKENS]), decode(prompt[at : at + TOKENS])
        raise PluginError(
            f"template canary: before turn {number}, the conversation's token {at} turned from {before[at]} ({was!r}) "
            f"into {prompt[at]} ({now!r}): the template writes earlier turns anew, so that what was sampled is not "
            "what is trained; use a template under which conversations only grow"
        )
    shown = decode(prompt[len(before) :])
    if words not in shown:
        raise PluginError(
            f"template canary: of what the user said in turn {number}, {words!r}, the policy was shown {shown!r}: the "
            "template cuts or changes it"
        )
