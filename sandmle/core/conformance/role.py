"""The checks that every `SynthRole` has to pass. Shipped to plugin authors."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from sandmle.core.conformance.drafts import sample_dossier
from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import Dossier, RoleVerdict, SynthRole
from sandmle.core.errors import PluginError, boundary
from sandmle.core.types.message import Message


async def check_role(role: SynthRole, sandbox: Sandbox, answers: Sequence[Mapping[str, Any]] = ()) -> None:
    """Have a role write its prompt twice, and try out answers of its type.

    Args:
        role: made once as for a run.
        sandbox: started; trials may run code in it.
        answers: answers as the role's model would give them, right and wrong ones, each as a JSON object.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
        SandboxError: the sandbox failed.
    """
    what = f"role {getattr(role, 'name', '?')!r}"
    check_shape(role, SynthRole, what)
    if not (isinstance(role.answer_type, type) and issubclass(role.answer_type, BaseModel)):
        raise PluginError(f"{what}: answer_type is {role.answer_type!r}; make it a pydantic model class")
    with boundary(PluginError, f"{what}: its answer_type {role.answer_type.__name__} has no JSON schema"):
        json.dumps(role.answer_type.model_json_schema())
    dossier = sample_dossier()
    if _prompt(role, dossier, what) != _prompt(role, dossier, what):
        raise PluginError(f"{what} wrote two prompts for the same dossier; draw only from dossier.rng_seed")
    for answer in answers:
        await _try_out(role, answer, dossier, sandbox, what)


def _prompt(role: SynthRole, dossier: Dossier, what: str) -> list[Message]:
    with boundary(PluginError, f"{what} failed in its prompt()"):
        messages: object = role.prompt(dossier)
    if not isinstance(messages, list) or not messages or not all(isinstance(one, Message) for one in messages):
        raise PluginError(f"{what}: prompt() gave {_kind(messages)}; give a list of sandmle.Message, at least one")
    if messages[-1].role != "user":
        raise PluginError(f"{what}: the last message of its prompt is from {messages[-1].role!r}; let the user speak")
    return messages


async def _try_out(role: SynthRole, answer: Mapping[str, Any], dossier: Dossier, sandbox: Sandbox, what: str) -> None:
    try:
        read = role.answer_type.model_validate(dict(answer))
    # The synthesizer sends such an answer back to the model, so that no trial sees it.
    except ValidationError:
        return
    with boundary(PluginError, f"{what} failed in its trial(); a wrong answer is a verdict, never an exception"):
        verdict: object = await role.trial(read, dossier, sandbox)
    if not isinstance(verdict, RoleVerdict):
        raise PluginError(f"{what}: trial() gave {_kind(verdict)}; give a RoleVerdict")
    if verdict.problem is not None and not (isinstance(verdict.problem, str) and verdict.problem.strip()):
        raise PluginError(f"{what}: trial() found the problem {verdict.problem!r}; say in words what is wrong, or None")
    for name, content in verdict.files.items():
        if not isinstance(content, bytes) or not name.startswith(("public/", "private/")):
            raise PluginError(
                f"{what}: trial() made the file {name!r} of {_kind(content)}; files are bytes under public/ or private/"
            )


def _kind(thing: object) -> str:
    if isinstance(thing, list | tuple) and thing:
        return f"a {type(thing).__name__} of {type(thing[0]).__name__}"
    return f"an empty {type(thing).__name__}" if thing in ([], ()) else f"a {type(thing).__name__}"
