"""The grader: a function by name, a rounded score, and medals by the rows of the board."""

from mlebench.utils import import_fn


class InvalidSubmissionError(Exception):
    pass


class Grader:
    def __init__(self, name, grade_fn):
        self.name, self.grade_fn = name, import_fn(grade_fn)

    def __call__(self, submission, answers):
        try:
            found = self.grade_fn(submission, answers)
        except InvalidSubmissionError:
            return None
        return round(found, 5)

    def rank(self, score, board):
        scores = board["score"]
        lower = bool(scores.iloc[0] < scores.iloc[-1])
        assert 10 <= len(scores) < 100, "the stand-in knows the rule for small boards only"
        places = {name: int(len(scores) * share) for name, share in (("gold", 0.1), ("silver", 0.2), ("bronze", 0.4))}
        marks = {name: float(scores.iloc[place - 1]) for name, place in places.items()}
        median = float(scores.median())
        reached = [
            name for name, mark in marks.items() if score is not None and (score <= mark if lower else score >= mark)
        ]
        flags = {f"{name}_medal": reached[:1] == [name] for name in marks}
        above = score is not None and (score < median if lower else score > median)
        thresholds = {f"{name}_threshold": mark for name, mark in {**marks, "median": median}.items()}
        return {**flags, **thresholds, "above_median": above, "is_lower_better": lower}
