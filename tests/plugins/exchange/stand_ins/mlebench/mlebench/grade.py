"""One submission file to one report."""

from types import SimpleNamespace

import pandas as pd


def grade_csv(path, competition):
    submission = pd.read_csv(path, float_precision="round_trip")
    answers = pd.read_csv(competition.answers, float_precision="round_trip")
    score = competition.grader(submission, answers)
    ranked = competition.grader.rank(score, pd.read_csv(competition.leaderboard))
    report = {"competition_id": competition.id, "score": score, "valid_submission": score is not None, **ranked}
    return SimpleNamespace(to_dict=lambda: report)
