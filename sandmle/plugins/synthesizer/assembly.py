"""Puts a measured draft together as the task it may become."""

import json
import platform
import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.engine.synthesis import derive_rng_seed
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.synthesis import Development, Evidence, Strategy, TaskDraft
from sandmle.core.types.task import (
    CalibrationRecord,
    MetricRecord,
    Provenance,
    RowCounts,
    SolutionRecord,
    TaskSpec,
    ThresholdRecord,
)
from sandmle.plugins.synthesizer.evidence import Measured
from sandmle.plugins.synthesizer.files import ANSWERS, ORACLE
from sandmle.plugins.synthesizer.population import submission_format
from sandmle.plugins.synthesizer.roles import DEVELOPER, WRITER, evaluation_of, strategy_of
from sandmle.plugins.synthesizer.scripts import with_rng_seed

_PACKAGES: Final = ("sandmle", "numpy", "pandas", "scikit-learn", "pillow", "langgraph", "litellm")
_SLUG_CHARACTERS: Final = 40


def assemble(
    dossier: Dossier,
    measured: Measured,
    *,
    prompt_sha256: Mapping[str, str],
    models: Mapping[str, str],
    rng_seed: int,
) -> TaskDraft:
    """The draft with its whole `task.toml`, but for what only the checks and the writing of files can tell.

    Args:
        dossier: with the answers of all four built-in roles.
        measured: board, thresholds and scores.
        prompt_sha256: role name to hash of the conversation it answered.
        models: role name to model string.
        rng_seed: of the corpus.
    """
    strategy, evaluation = strategy_of(dossier), evaluation_of(dossier)
    code = {solution.name: solution.code for solution in evaluation.solutions}
    thresholds = measured.standing.thresholds
    spec = TaskSpec(
        task_id=task_id(strategy.modality, strategy.title, rng_seed, dossier.index),
        title=strategy.title,
        domain=strategy.domain,
        modality=strategy.modality,
        task_type=strategy.task_type,
        rule_family=strategy.rule_family,
        noise_families=strategy.noise_families,
        metric=MetricRecord(name=strategy.metric, direction=METRICS[strategy.metric].direction),
        submission=submission_format(evaluation),
        rows=_rows(strategy),
        dna=dict(dossier.seed.dna),
        thresholds=ThresholdRecord(
            gold=thresholds.gold, silver=thresholds.silver, bronze=thresholds.bronze, median=thresholds.median
        ),
        ladder=measured.standing.ladder,
        solutions=tuple(
            SolutionRecord(name=name, score=score, code_sha256=_hash(code[name]) if name in code else "")
            for name, score in measured.standing.members
        ),
        calibration=_calibration(measured.evidence),
        checks_passed=(),
        provenance=Provenance(
            generator_model=_models_in_words(models),
            rng_seed=rng_seed,
            index=dossier.index,
            seed_id=dossier.seed.seed_id,
            prompt_sha256=dict(prompt_sha256),
            versions=versions(),
            content_sha256={},
        ),
    )
    return TaskDraft(
        spec=spec,
        description=_description(dossier),
        public=_part(dossier, "public/"),
        private=_private(dossier, measured, code),
    )


def _rows(strategy: Strategy) -> RowCounts:
    return RowCounts(
        train=strategy.train_rows,
        public_board=strategy.public_board_rows,
        private_board=strategy.private_board_rows,
    )


def _calibration(evidence: Evidence) -> CalibrationRecord:
    return CalibrationRecord(
        standard_errors={gap: round(error, 6) for gap, error in evidence.standard_errors.items()},
        agreement=round(evidence.agreement, 4),
        halves=round(evidence.halves["whole"], 4),
        halves_top=round(evidence.halves["top"], 4),
    )


def _private(dossier: Dossier, measured: Measured, code: Mapping[str, str]) -> dict[str, bytes]:
    strategy = json.dumps(strategy_of(dossier).model_dump(mode="json"), indent=2, ensure_ascii=False)
    return {
        "answers.csv": dossier.files[ANSWERS],
        "oracle.csv": dossier.files[ORACLE],
        "leaderboard.csv": measured.standing.leaderboard,
        "generate.py": _generator(dossier),
        "strategy.json": f"{strategy}\n".encode(),
        **{f"solutions/{name}.py": code[name].encode() for name, _ in measured.standing.members if name in code},
    }


def task_id(modality: str, title: str, rng_seed: int, index: int) -> str:
    """A valid id: modality, words of the title, and four hexadecimal digits that tell drafts apart."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    while len("-".join(words)) > _SLUG_CHARACTERS:
        words = words[:-1] if len(words) > 1 else [words[0][:_SLUG_CHARACTERS]]
    digits = f"{derive_rng_seed(rng_seed, index, 'id') & 0xFFFF:04x}"
    return "-".join([modality, *words, digits])


def versions() -> dict[str, str]:
    """Python and the packages that generated and fitted; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _models_in_words(models: Mapping[str, str]) -> str:
    if len(set(models.values())) == 1:
        return next(iter(models.values()))
    return ", ".join(f"{role}: {model}" for role, model in models.items())


def _description(dossier: Dossier) -> str:
    description: str = getattr(dossier.answers[WRITER], "description")  # noqa: B009
    return description.rstrip() + "\n"


def _generator(dossier: Dossier) -> bytes:
    development = dossier.answers[DEVELOPER]
    assert isinstance(development, Development)
    return with_rng_seed(development.script, dossier.rng_seed).encode()


def _part(dossier: Dossier, prefix: str) -> dict[str, bytes]:
    return {
        path.removeprefix(prefix): content for path, content in sorted(dossier.files.items()) if path.startswith(prefix)
    }


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
