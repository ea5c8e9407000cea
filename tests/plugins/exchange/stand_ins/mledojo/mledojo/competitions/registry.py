"""Competition folders by name, and their metrics loaded from where they lie."""

import importlib.util
import inspect
import sys
from pathlib import Path

from mledojo.metrics.base import CompetitionMetrics

_registry = {}


class CompetitionInfo:
    def __init__(self, name, base_path):
        self.name = name
        self.metric_py_path = base_path / "utils" / "metric.py"
        self.prepare_py_path = base_path / "utils" / "prepare.py"


def _discover_competitions():
    _registry.clear()
    for path in sorted(Path(__file__).parent.glob("*/utils/metric.py")):
        name = path.parent.parent.name
        _registry[name] = CompetitionInfo(name, path.parent.parent)


def _load(path):
    spec = importlib.util.spec_from_file_location(
        f"loaded_{path.parent.parent.name.replace('-', '_')}_{path.stem}", path
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def get_metric(name):
    if not _registry:
        _discover_competitions()
    try:
        module = _load(_registry[name].metric_py_path)
    except ImportError as problem:
        print(f"Error loading {name}: {problem}")
        return None
    found = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, CompetitionMetrics) and one is not CompetitionMetrics
    ]
    return found[0]


def get_prepare(name):
    if not _registry:
        _discover_competitions()
    return _load(_registry[name].prepare_py_path).prepare
