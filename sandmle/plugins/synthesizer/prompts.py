"""Renders the prompt files strictly: a placeholder without a value, or a value without one, is a defect of ours."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Final

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.types.message import Message

_FOLDER: Final = Path(__file__).parent / "prompts"
_HEAD_LINES: Final = 3
_MEDIA_SHOWN: Final = 8
_PROBLEM_CHARACTERS: Final = 6000
"""Of a traceback sent back to a role; the end says the most."""


def render(name: str, blocks: Mapping[str, object]) -> str:
    """Fill a prompt file's `$name` placeholders with JSON (text is put in as it is).

    Raises:
        ValueError: placeholders and blocks are not the same names.
    """
    template = Template((_FOLDER / f"{name}.md").read_text("utf-8"))
    if set(template.get_identifiers()) != set(blocks):
        raise ValueError(f"prompt {name}.md wants {sorted(template.get_identifiers())}, not {sorted(blocks)}")
    return template.substitute({key: _as_text(value) for key, value in blocks.items()})


def conversation(name: str, blocks: Mapping[str, object]) -> list[Message]:
    """The opening of a role's conversation: the system message and its prompt."""
    return [
        Message(role="system", content=render("system", {})),
        Message(role="user", content=render(name, blocks)),
    ]


def repair(problem: str) -> Message:
    """What is said to a role whose answer did not hold."""
    if len(problem) > _PROBLEM_CHARACTERS:
        half = _PROBLEM_CHARACTERS // 2
        problem = f"{problem[:half]}\n[...]\n{problem[-half:]}"
    # A fence inside the problem would end ours early.
    return Message(role="user", content=render("repair", {"problem": problem.replace("```", "'''")}))


def fingerprint(messages: list[Message] | tuple[Message, ...]) -> str:
    """SHA-256 of a conversation."""
    text = json.dumps([[message.role, message.content] for message in messages], ensure_ascii=False)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_listing(dossier: Dossier) -> list[dict[str, object]]:
    """The public files as the prompts show them: all tables with their first lines, and the first media files."""
    public = {
        path.removeprefix("public/"): content for path, content in dossier.files.items() if path.startswith("public/")
    }
    # Series are CSV files too, one a row, in a folder of their own.
    tables = sorted(path for path in public if path.endswith(".csv") and "/" not in path)
    media = sorted(path for path in public if path not in tables)
    shown: list[dict[str, object]] = [
        {"path": path, "bytes": len(public[path]), "head": _head(public[path])} for path in tables
    ]
    shown += [{"path": path, "bytes": len(public[path]), "head": None} for path in media[:_MEDIA_SHOWN]]
    return shown


def _head(content: bytes) -> str:
    return "\n".join(content.decode("utf-8", "replace").splitlines()[:_HEAD_LINES])


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
