"""Finds the JSON object in what a language model said, and says in words what is wrong with it."""

import json
import re
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from sandmle.plugins.synthesizer.tables import FaultError

_FENCE: Final = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)```", re.DOTALL)
_THINKING: Final = re.compile(r"<think>.*?</think>", re.DOTALL)
_THOUGHT: Final = "</think>"
MAX_REPLY_CHARACTERS: Final = 2**20
"""Of a reply that is looked at, and of one that is quoted in the next request."""
_MAX_OPENINGS: Final = 200
"""Braces tried as the start of an object: prose holds some, and a hostile reply could hold millions."""
_MAX_COMPLAINTS: Final = 8
_QUOTED: Final = 160
"""Characters of a reply that says why it holds no object."""

Answer = TypeVar("Answer", bound=BaseModel)


def parse_answer(text: str, answer_type: type[Answer]) -> Answer:
    """The role's answer: raw JSON, or in a fence, or after prose.

    Raises:
        FaultError: there is no JSON object, or it does not fit the type; fit to be sent back to the role.
    """
    if len(text) > MAX_REPLY_CHARACTERS:
        raise FaultError(f"the reply has {len(text)} characters; at most {MAX_REPLY_CHARACTERS} are read")
    # Behind the last end of a thought nothing is one: to look there again from every beginning would take long.
    thought = text.rfind(_THOUGHT) + len(_THOUGHT) if _THOUGHT in text else 0
    said = (_THINKING.sub("", text[:thought]) + text[thought:]).strip()
    found = _find_object(said)
    if found is None:
        begin = f" (it begins with {' '.join(said[:_QUOTED].split())!r})" if said else ""
        raise FaultError(
            f"the reply holds no JSON object{begin}; answer with exactly one, with every brace and quote closed"
        )
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        raise FaultError(
            "the reply holds half of a surrogate pair, which no file can hold; write plain text"
        ) from problem
    try:
        return answer_type.model_validate(found)
    except ValidationError as problem:
        raise FaultError(_in_words(problem)) from problem


def _find_object(text: str) -> dict[str, object] | None:
    for candidate in (text, *reversed(_FENCE.findall(text))):
        found = _decode(candidate.strip())
        if found is not None:
            return found
    openings = [match.start() for match in re.finditer(r"\{", text)][:_MAX_OPENINGS]
    return next((found for at in openings if (found := _decode(text[at:], partial=True)) is not None), None)


def _decode(text: str, *, partial: bool = False) -> dict[str, object] | None:
    decoder = json.JSONDecoder(strict=False)
    try:
        found = decoder.raw_decode(text)[0] if partial else decoder.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found else None


def _in_words(problem: ValidationError) -> str:
    errors = problem.errors(include_url=False, include_context=False)
    lines = [f"{'.'.join(map(str, error['loc'])) or 'the answer'}: {error['msg']}" for error in errors]
    if len(lines) > _MAX_COMPLAINTS:
        lines = [*lines[:_MAX_COMPLAINTS], f"and {len(lines) - _MAX_COMPLAINTS} more"]
    return "\n".join(lines)
