"""One submission file to one report."""

from datetime import datetime
from types import SimpleNamespace

import pandas as pd

from mlebench.utils import load_answers, read_csv


def grade_csv(path, competition):
    if not competition.answers.is_file():
        raise ValueError(f"{competition.id} is not prepared")
    exists = path.is_file() and path.suffix.lower() == ".csv"
    score = competition.grader(read_csv(path), load_answers(competition.answers)) if exists else None
    ranked = competition.grader.rank(score, pd.read_csv(competition.leaderboard))
    report = {
        "competition_id": competition.id,
        "score": None if score is None else float(score),
        **ranked,
        "submission_exists": exists,
        "valid_submission": score is not None,
        "created_at": datetime.now().isoformat(),
        "submission_path": str(path),
    }
    return SimpleNamespace(to_dict=lambda: report)
