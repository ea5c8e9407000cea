"""`sandmle benchmarks prepare`: a benchmark's own preparing code in its own process, one competition at a time."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandmle.core.errors import TaskError
from sandmle.plugins.benchmarks.peers.config import PeerConfig
from sandmle.plugins.benchmarks.peers.examining import kaggle_token
from sandmle.plugins.benchmarks.peers.process import PeerPlace, ask_all
from sandmle.plugins.benchmarks.peers.selection import Selection


class Preparable(Protocol):
    """A benchmark whose data can be prepared by its own code."""

    @property
    def config(self) -> PeerConfig: ...

    @property
    def selection(self) -> Selection: ...

    def raw_folder(self, competition_id: str) -> Path: ...

    def place(self, *, kaggle: bool = False) -> PeerPlace: ...

    def prepare_request(self, competition_id: str, *, keep_raw: bool, verify: bool) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What came of it, by competition id."""

    prepared: Mapping[str, Mapping[str, Any]]
    """How: whether it was downloaded, and what came of the checksums."""
    already: tuple[str, ...]
    failed: Mapping[str, str]

    def as_text(self) -> str:
        """A few lines for a person."""
        lines = [f"{len(self.prepared)} prepared, {len(self.already)} were already, {len(self.failed)} failed"]
        lines += [f"{one}: checksums {said['checksums']}" for one, said in self.prepared.items()]
        return "\n".join([*lines, *(f"{one}: {reason}" for one, reason in self.failed.items())])


def prepare_all(benchmark: Preparable, *, keep_raw: bool, verify: bool, tell: Callable[[str], None]) -> Prepared:
    """Prepare what is not prepared yet.

    Raises:
        TaskError: something has to be downloaded and there is no Kaggle token, or the checkout cannot be used.
    """
    selection = benchmark.selection
    ids = selection.ids()
    missing = [one for one in ids if not selection.is_prepared(one)]
    to_download = [one for one in missing if not _has_files(benchmark.raw_folder(one))]
    _say_what_kaggle_needs(benchmark, to_download, tell)
    prepared: dict[str, Mapping[str, Any]] = {}
    failed: dict[str, str] = {}
    for number, one in enumerate(missing, start=1):
        tell(f"{number} of {len(missing)}: {one}")
        begun = [folder for folder in selection.folders(one) if not _has_files(folder)]
        request = benchmark.prepare_request(one, keep_raw=keep_raw, verify=verify)
        [reply] = ask_all(benchmark.place(kaggle=True), [request], benchmark.config.prepare_timeout_s)
        if "error" in reply:
            failed[one] = _explained(one, reply["error"])
            # A folder that holds anything is taken for a whole one. What was there before is not ours to take away.
            for folder in begun:
                shutil.rmtree(folder, ignore_errors=True)
        elif not selection.is_prepared(one):
            failed[one] = "its preparing code ended without a word, and left its public or private folder empty"
        else:
            prepared[one] = reply["result"]
    return Prepared(prepared=prepared, already=tuple(one for one in ids if one not in missing), failed=failed)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _say_what_kaggle_needs(benchmark: Preparable, to_download: list[str], tell: Callable[[str], None]) -> None:
    if not to_download:
        return
    if kaggle_token() is None:
        raise TaskError(
            f"{', '.join(to_download)} must be downloaded, and Kaggle's client finds no token: create one on "
            "kaggle.com (Settings, API), save it as ~/.kaggle/kaggle.json (mode 600), or put a competition's raw "
            f"files, unpacked, where they are looked for: {benchmark.raw_folder(to_download[0])}"
        )
    tell("Kaggle gives data only to who has accepted a competition's rules, in a browser, as the token's owner:")
    for one in to_download:
        tell(f"  https://www.kaggle.com/c/{one}/rules")


def _explained(competition_id: str, error: Mapping[str, str]) -> str:
    message = f"{error['type']}: {error['message']}"
    if "it asked:" in error["message"] or "accept" in error["message"] or "403" in error["message"]:
        return f"{message}; accept its rules: https://www.kaggle.com/c/{competition_id}/rules"
    if "kaggle" in error["message"].lower():
        return f"{message}; `sandmle doctor --benchmark` says what Kaggle needs"
    return message
