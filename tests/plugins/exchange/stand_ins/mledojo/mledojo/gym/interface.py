"""A submission judged: validated, evaluated, and placed on the boards that are there."""

import pandas as pd

from mledojo.metrics.base import InvalidSubmissionError


class CodeExecutionInterface:
    def _process_submission(self, competition, path, output_dir, score_mode="position"):
        metric = competition.metric_class()
        submission, truth = pd.read_csv(path), pd.read_csv(competition.data_dir / "private" / "test_answer.csv")
        try:
            metric.validate_submission(submission, truth)
        except InvalidSubmissionError as problem:
            return {"status": "FAILED", "details": str(problem)}
        score, places = metric.evaluate(truth, submission), []
        for board in ("private", "public"):
            file = competition.data_dir / "private" / f"{board}_leaderboard.csv"
            if file.exists():
                scores = pd.read_csv(file).iloc[:, 1]
                worse = sum(score >= one if metric.higher_is_better else score <= one for one in scores)
                places.append(worse / len(scores))
        return {"status": "SUCCESS", "raw_score": score, "position_score": {"avg_score": sum(places) / len(places)}}
