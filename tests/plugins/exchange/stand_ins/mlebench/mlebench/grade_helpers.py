"""The grader: a function by name, a rounded score, and medals by the rows of the board."""

from mlebench.utils import import_fn


class InvalidSubmissionError(Exception):
    pass


def places(teams):
    """Rows of the board at which gold, silver and bronze are given, by the number of teams."""
    if teams < 250:
        gold = 10 if teams >= 100 else max(1, teams * 10 // 100)
        return gold, max(1, teams * 20 // 100), max(1, teams * 40 // 100)
    gold = 10 + teams * 2 // 1000
    return (gold, 50, 100) if teams < 1000 else (gold, teams * 5 // 100, teams * 10 // 100)


class Grader:
    def __init__(self, name, grade_fn):
        self.name, self.grade_fn = name, import_fn(grade_fn)

    def __call__(self, submission, answers):
        try:
            found = self.grade_fn(submission, answers)
        except Exception:  # noqa: BLE001
            return None
        return round(found, 5)

    def rank(self, score, board):
        scores = board["score"]
        lower = bool(scores.iloc[0] < scores.iloc[-1])
        marks = {
            name: float(scores.iloc[place - 1])
            for name, place in zip(("gold", "silver", "bronze"), places(len(scores)), strict=True)
        }
        median = float(scores.median())
        reached = [
            name for name, mark in marks.items() if score is not None and (score <= mark if lower else score >= mark)
        ]
        flags = {f"{name}_medal": reached[:1] == [name] for name in marks}
        above = score is not None and bool(score < median if lower else score > median)
        thresholds = {f"{name}_threshold": mark for name, mark in {**marks, "median": median}.items()}
        return {**thresholds, "any_medal": bool(reached), **flags, "above_median": above, "is_lower_better": lower}
