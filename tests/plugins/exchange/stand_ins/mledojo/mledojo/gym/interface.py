"""A submission judged: validated, evaluated, and placed on the boards that are there."""

import pandas as pd

from mledojo.metrics.base import InvalidSubmissionError


def failed(kind, problem):
    return {"status": "FAILED", "error_type": kind, "error": "refused", "details": str(problem)}


class CodeExecutionInterface:
    def _process_submission(self, competition, path, output_dir, score_mode="position"):
        metric = competition.metric_class()
        try:
            submission = pd.read_csv(path)
        except Exception as problem:  # noqa: BLE001
            return failed("InvalidSubmissionError", problem)
        truth = pd.read_csv(competition.data_dir / "private" / "test_answer.csv")
        try:
            metric.validate_submission(submission, truth)
        except InvalidSubmissionError as problem:
            return failed("InvalidSubmissionError", problem)
        score, places = metric.evaluate(truth, submission), {}
        for board in ("private", "public"):
            file = competition.data_dir / "private" / f"{board}_leaderboard.csv"
            if file.exists():
                try:
                    scores = sorted(pd.read_csv(file).iloc[:, 1], reverse=metric.higher_is_better)
                    better = sum(one > score if metric.higher_is_better else one < score for one in scores)
                except Exception as problem:  # noqa: BLE001
                    return failed("LeaderboardError", problem)
                total = len(scores)
                places[board] = {"position": better + 1, "total": total, "position_score": (total - better) / total}
        average = sum(one["position_score"] for one in places.values()) / len(places)
        return {"status": "SUCCESS", "raw_score": score, "position_score": {**places, "avg_score": average}}
