"""Registered competitions, whose folders are checked."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class CompInfo:
    category: str = "Tabular"
    level: str = "intermediate"
    output_type: str = "submission.csv"
    higher_is_better: bool = True


class Competition:
    def __init__(self, name, data_dir, info, metric_class):
        self.name, self.data_dir, self.info, self.metric_class = name, Path(data_dir), info, metric_class
        for path in ("public/description.txt", "public/sample_submission.csv", "private/test_answer.csv"):
            assert (self.data_dir / path).is_file(), path


class CompetitionRegistry:
    def __init__(self):
        self._found = {}

    def register(self, name, data_dir, comp_info, metric_class):
        self._found[name] = Competition(name, data_dir, comp_info, metric_class)

    def get(self, name):
        return self._found[name]
