"""Imports by name, configuration (YAML that is JSON, too), and tables."""

import importlib
import json

import pandas as pd


def import_fn(name):
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def load_yaml(path):
    return json.loads(path.read_text())


def read_csv(path):
    try:
        return pd.read_csv(path, float_precision="round_trip")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def load_answers(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return read_csv(path)
