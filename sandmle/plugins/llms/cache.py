"""Replies kept in a file, by everything that decides them: prompt, options and sample index."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from pydantic import RootModel, ValidationError

from sandmle.core.errors import ConfigError, StoreError
from sandmle.core.types.message import ModelReply

VERSION: Final = 1
"""Of what stands in the file. Replies of another version are not found."""
BUSY_S: Final = 30.0
"""How long a write waits for another process that writes."""


class _ReplyRecord(RootModel[ModelReply]):
    """A reply as JSON."""


class ReplyCache:
    """One file, which many processes may share; a kill at any moment leaves it whole.

    It holds no connection open, so it needs no closing.
    """

    def __init__(self, path: Path) -> None:
        """Make the file if it is not there.

        Raises:
            ConfigError: it cannot be used.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as file, file:
                file.execute("PRAGMA journal_mode=WAL")
                file.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        except (sqlite3.Error, OSError) as problem:
            raise ConfigError(f"the reply cache {path} cannot be used: {problem}; name another file") from problem

    def find(self, key: str) -> ModelReply | None:
        """The reply that was kept under `key`; None where there is none that can be read.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with closing(self._open()) as file:
                row = file.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as problem:
            raise StoreError(f"the reply cache {self._path} cannot be read: {problem}") from problem
        if row is None:
            return None
        try:
            return _ReplyRecord.model_validate_json(row[0]).root
        except ValidationError:
            return None

    def keep(self, key: str, reply: ModelReply) -> None:
        """Keep a reply; one that is there already stays.

        Raises:
            StoreError: the file cannot be written.
        """
        try:
            with closing(self._open()) as file, file:
                text = _ReplyRecord(reply).model_dump_json()
                file.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, text))
        except sqlite3.Error as problem:
            raise StoreError(f"the reply cache {self._path} cannot be written: {problem}") from problem

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(os.fspath(self._path), timeout=BUSY_S)


def key_of(arguments: Mapping[str, Any]) -> str:
    """The digest of what decides a reply: the arguments of the call, in any order of their names."""
    text = json.dumps([VERSION, arguments], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
