"""From records to a file: gather, build, write."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sandmle.plugins.reports.build import Report, build
from sandmle.plugins.reports.page import Page, gather
from sandmle.plugins.reports.writing import write_page


def make_report(
    out: Path,
    *,
    tasks: Path | None = None,
    runs: Sequence[Path] = (),
    trainings: Sequence[Path] = (),
    held_out: Sequence[Path] = (),
    matrix: Path | None = None,
) -> tuple[Page, Report]:
    """Write the page of a corpus, of runs, of trainings, of a matrix, or of several of these.

    Raises:
        UsageError: nothing was named, one of them cannot be read, or the file cannot be written there.
    """
    page = gather(
        tasks,
        runs,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=version("sandmle"),
        training_dirs=trainings,
        held_out_dirs=held_out,
        matrix_dir=matrix,
    )
    built = build(page)
    write_page(out, built.html)
    return page, built
