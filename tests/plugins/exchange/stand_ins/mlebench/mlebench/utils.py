"""Imports by name, and configuration: YAML that is JSON, too."""

import importlib
import json


def import_fn(name):
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def load_yaml(path):
    return json.loads(path.read_text())
