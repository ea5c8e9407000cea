"""Competition folders by name, and their metrics loaded from where they lie."""

import importlib.util
import inspect
import sys

from mledojo.metrics.base import CompetitionMetrics

_registry = {}


class CompetitionInfo:
    def __init__(self, name, base_path):
        self.name = name
        self.metric_py_path = base_path / "utils" / "metric.py"


def _discover_competitions():
    _registry.clear()


def get_metric(name):
    spec = importlib.util.spec_from_file_location(f"loaded_{name.replace('-', '_')}", _registry[name].metric_py_path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, CompetitionMetrics) and one is not CompetitionMetrics
    ]
    return found[0]
