"""Which competitions are meant, which of them are prepared, and what is known to be wrong with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandmle.core.errors import TaskError
from sandmle.plugins.benchmarks.peers.config import PeerConfig, chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The competitions of one configuration."""

    benchmark: str
    """As commands name it."""
    config: PeerConfig
    data: Path
    splits: Mapping[str, Sequence[str]]
    """Name to ids; `all` is every competition there is."""
    default: str
    """The split where none is named."""
    folders: Callable[[str], Sequence[Path]]
    """The folders of a competition that hold something once it is prepared."""
    labels: Callable[[str], list[str]]

    @property
    def split(self) -> str:
        """The name of the split that is meant, or the file that lists it."""
        return self.config.split or ("all" if self.config.export is not None else self.default)

    def ids(self) -> tuple[str, ...]:
        """The competitions that the configuration names, prepared or not.

        Raises:
            TaskError: there is no such split or competition.
        """
        return chosen(self.config, self.splits, self.split)

    def is_prepared(self, competition_id: str) -> bool:
        """Whether its folders hold anything, which is what the benchmarks themselves ask."""
        return all(folder.is_dir() and any(folder.iterdir()) for folder in self.folders(competition_id))

    def playable(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The competitions to be played, and those left out because they are not prepared.

        Raises:
            TaskError: some are not prepared, and that was not allowed; or none is.
        """
        ids = self.ids()
        missing = tuple(one for one in ids if not self.is_prepared(one))
        left = tuple(one for one in ids if one not in missing)
        if missing and (not self.config.prepared_only or not left):
            raise TaskError(
                f"not prepared in {self.data}: {', '.join(missing)}; `sandmle benchmarks prepare --benchmark "
                f"{self.benchmark}` prepares them, --competition plays only those you name, --prepared-only those that "
                "are there"
            )
        return left, missing

    def listing(self) -> dict[str, Any]:
        """Splits with their sizes, and the competitions that the configuration names, ready for JSON.

        Raises:
            TaskError: there is no such split or competition.
        """
        return {
            "benchmark": self.benchmark,
            "data": str(self.data),
            "splits": {name: len(ids) for name, ids in self.splits.items()},
            "competitions": [
                {"id": one, "prepared": self.is_prepared(one), "labels": self.labels(one)} for one in self.ids()
            ],
        }
