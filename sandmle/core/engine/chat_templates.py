"""Proves that under a tokenizer's chat template a loss mask can cover exactly what an author wrote; or says why not.

A template is a program, and many do more than put markup around messages: Qwen3's drops the thoughts of earlier turns,
others trim, or add a date or words of their own. A mask that is made by rendering beginnings of a conversation then
trains on what nobody wrote. Here the markup is read off the template, and then the template's text and its ids are held
against the plain concatenation, message by message. Knows tokenizers of transformers by three methods only.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, Protocol

import jinja2

from sandmle.core.engine.chat_probes import ODD, PLAIN, Said
from sandmle.core.errors import ConfigError
from sandmle.core.types.chat_format import ROLES, ChatFormat, Role

ADVICE: Final = (
    "; no mask can be proven under it: give the tokenizer a template that only concatenates, such as `chatml`, `qwen3` "
    "or `llama3` of sandmle.core.types.chat_format"
)
_SYSTEM, _USER, _NEXT, _REPLY = "Sy5temW0rds", "U5erW0rds", "Th1rdW0rds", "Repl1edW0rds"
"""Words that stand in no template."""
_SHOWN: Final = 40
"""Characters of a text that a message shows."""


class TemplateError(ConfigError):
    """A chat template does more than put the same markup around every message."""


class TemplatedTokenizer(Protocol):
    """What is needed of a tokenizer of transformers."""

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any:
        """Called with `tokenize=False` and `add_generation_prompt`."""
        ...

    def __call__(self, text: str, **options: Any) -> Any:
        """Called with `add_special_tokens=False` and `split_special_tokens`; `input_ids` are taken from the answer."""
        ...

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """For messages to people, and to find the token that ends a turn."""
        ...


def prove_template(tokenizer: TemplatedTokenizer, conversations: Sequence[Said] = ()) -> ChatFormat:
    """Show that the template only concatenates, by its texts and by the tokenizer's ids.

    Whoever renders beginnings of a conversation to find where an author's tokens are may do so for `conversations`.

    Args:
        tokenizer: with a chat template.
        conversations: what will be trained on, looked at as strictly as the built-in ones.

    Returns:
        The markup: what any conversation is the concatenation of.

    Raises:
        TemplateError: it does not; the message says at which message and token of which conversation.
    """
    chat_format = read_template(tokenizer)
    for said in (*PLAIN, *ODD, *conversations):
        for upto in range(1, len(said) + 1):
            _prove_text(tokenizer, chat_format, said[:upto], generate=False)
            if said[upto - 1][0] != "assistant":
                _prove_text(tokenizer, chat_format, said[:upto], generate=True)
    for said in (*PLAIN, *conversations):
        _prove_ids(tokenizer, chat_format, said)
    return chat_format


def read_template(tokenizer: TemplatedTokenizer) -> ChatFormat:
    """The markup around messages, as the template writes it in a conversation's first turn.

    Enough to ask a model by concatenation; whether the template itself concatenates is not looked at.

    Raises:
        TemplateError: there is no template, or its markup is not the same around every message.
    """
    user: list[tuple[Role, str]] = [("user", _USER)]
    alone, asked = _rendered(tokenizer, user), _rendered(tokenizer, user, generate=True)
    if not asked.startswith(alone):
        raise TemplateError(f"the template changes a conversation when it asks for an answer: {_shown(asked)}{ADVICE}")
    assistant = asked[len(alone) :]
    before, tail = _around(alone, _USER)
    _, between = _around(_rendered(tokenizer, [*user, ("assistant", _REPLY), ("user", _NEXT)]), _REPLY)
    opened, _ = _around(between, _NEXT)
    _, closed = _around(_rendered(tokenizer, [*user, ("assistant", _REPLY)]), _REPLY)
    if closed != tail or not opened.startswith(tail):
        raise TemplateError(
            f"the template ends a user's message with {tail!r} and an assistant's with {closed!r}, before another "
            f"with {_shown(opened)}{ADVICE}"
        )
    opening = opened[len(tail) :]
    system, rest = _around(_rendered(tokenizer, [("system", _SYSTEM), *user]), _SYSTEM)
    begin = before.removesuffix(opening)
    if not before.endswith(opening) or not system.startswith(begin) or rest != tail + opening + _USER + tail:
        raise TemplateError(
            f"the template begins a conversation with {_shown(before)} where no system message is, and with "
            f"{_shown(system)} before one: it adds text of its own{ADVICE}"
        )
    end = _end_token(tokenizer, tail)
    found = ChatFormat(
        begin=begin, system=system[len(begin) :], user=opening, assistant=assistant, end=end, after=tail[len(end) :]
    )
    _refuse_own_words(tokenizer, found)
    return found


def _refuse_own_words(tokenizer: TemplatedTokenizer, found: ChatFormat) -> None:
    openings = {role: found.opening(role).replace(role, "ROLE") for role in ROLES}
    for role in ROLES:
        if not found.opening(role) or openings[role] != openings["user"]:
            raise TemplateError(
                f"the template opens the message of role {role!r} with {_shown(found.opening(role))} and a user's with "
                f"{_shown(found.user)}: more than the role's name differs{ADVICE}"
            )
    if found.begin and not all(_is_special(tokenizer, one) for one in _tokens(tokenizer, found.begin)):
        raise TemplateError(
            f"the template begins every conversation with {_shown(found.begin)}, which is text of its own{ADVICE}"
        )


def _end_token(tokenizer: TemplatedTokenizer, tail: str) -> str:
    first = next(iter(_tokens(tokenizer, tail)), "")
    if not first or not tail.startswith(first) or not _is_special(tokenizer, first):
        raise TemplateError(
            f"after a message the template writes {tail!r}, which does not begin with a special token that no text can "
            f"spell{ADVICE}"
        )
    return first


def _prove_text(tokenizer: TemplatedTokenizer, chat_format: ChatFormat, said: Said, *, generate: bool) -> None:
    wanted, given = chat_format.render(said, generate=generate), _rendered(tokenizer, said, generate=generate)
    if wanted == given:
        return
    at = next((n for n, (a, b) in enumerate(zip(wanted, given, strict=False)) if a != b), min(len(wanted), len(given)))
    ids = [_ids(tokenizer, one) for one in (wanted, given)]
    token = _first_difference(*ids)
    ends = list(accumulate(len(text) for text, _ in chat_format.pieces(said, generate=generate)))
    start = max((end for end in ends if end <= at), default=0)
    where = _where(chat_format, said, at)
    raise TemplateError(
        f"{where}: the template writes {_shown(given[start:])} where {_shown(wanted[start:])} was said, from token "
        f"{token} on ({_named(tokenizer, ids[1], token)} for {_named(tokenizer, ids[0], token)}), in the "
        f"conversation {_told(said)}{ADVICE}"
    )


def _prove_ids(tokenizer: TemplatedTokenizer, chat_format: ChatFormat, said: Said) -> None:
    """The whole text's ids are those of its parts, where no author's text can spell a special token."""
    pieces = chat_format.pieces(said)
    parts = [_ids(tokenizer, text, plain=authored) if text else [] for text, authored in pieces]
    whole, joined = _ids(tokenizer, _rendered(tokenizer, said)), [one for part in parts for one in part]
    if whole == joined:
        return
    token = _first_difference(whole, joined)
    ends = list(accumulate(map(len, parts)))
    piece = next((n for n, end in enumerate(ends) if token < end), len(pieces) - 1)
    at = sum(len(text) for text, _ in pieces[:piece])
    raise TemplateError(
        f"{_where(chat_format, said, at)}: at token {token} the tokenizer writes {_named(tokenizer, whole, token)} "
        f"over the whole conversation and {_named(tokenizer, joined, token)} for the message alone, so that no mask "
        f"ends where the message does, in the conversation {_told(said)}; leave the message out or change its text"
    )


def _rendered(tokenizer: TemplatedTokenizer, said: Said, *, generate: bool = False) -> str:
    conversation = [{"role": role, "content": content} for role, content in said]
    try:
        text: str = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=generate)
    except (jinja2.TemplateError, ValueError, TypeError, LookupError, ArithmeticError) as problem:
        raise TemplateError(
            f"the template cannot render the conversation {_told(said)}: {problem}{ADVICE}"
        ) from problem
    return text


def _around(text: str, words: str) -> tuple[str, str]:
    before, found, after = text.partition(words)
    if not found:
        raise TemplateError(f"the template leaves out what was said: {_shown(text)}{ADVICE}")
    return before, after


def _ids(tokenizer: TemplatedTokenizer, text: str, *, plain: bool = False) -> list[int]:
    found: list[int] = list(tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"])
    return found


def _tokens(tokenizer: TemplatedTokenizer, text: str) -> list[str]:
    return [str(one) for one in tokenizer.convert_ids_to_tokens(_ids(tokenizer, text))]


def _first_difference(some: Sequence[int], others: Sequence[int]) -> int:
    pairs = enumerate(zip(some, others, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(some), len(others)))


def _named(tokenizer: TemplatedTokenizer, ids: Sequence[int], at: int) -> str:
    return repr(tokenizer.convert_ids_to_tokens([ids[at]])[0]) if at < len(ids) else "nothing"


def _where(chat_format: ChatFormat, said: Said, at: int) -> str:
    """Which message a character of the concatenation belongs to."""
    ends = [len(chat_format.render(said[: n + 1])) for n in range(len(said))]
    number = next((n for n, end in enumerate(ends) if at < end), len(said) - 1)
    return f"message {number + 1} ({said[number][0]})"


def _told(said: Said) -> str:
    return " / ".join(f"{role}: {_shown(content)}" for role, content in said)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _is_special(tokenizer: TemplatedTokenizer, token: str) -> bool:
    """Whether it is one token that no text can spell."""
    return len(_ids(tokenizer, token)) == 1 != len(_ids(tokenizer, token, plain=True))
