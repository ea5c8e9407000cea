"""What the agent makes of descriptions and of its first look."""

import json

import pytest

from sandmle.core.types.metrics import METRICS
from sandmle.plugins.llms.offline.agent.facts import find_metric, read_facts


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_found_by_its_name_and_by_its_summary(name):
    assert find_metric(f"# Task\n\n## Metric\n\nSubmissions are scored by `{name}`.") == name
    words = {"accuracy": "classification accuracy", "r2": "the coefficient of determination"}
    assert find_metric(f"The metric is {words.get(name, METRICS[name].summary)}.") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Submissions are evaluated on area under the ROC curve between prediction and target.", "roc_auc"),
        ("Evaluation: quadratic weighted kappa.", "qwk"),
        ("Root Mean Squared Logarithmic Error (RMSLE) is the metric", "rmsle"),
        ("scored by multi-class logarithmic loss", "log_loss"),
        ("nothing of the kind", ""),
    ],
)
def test_metrics_are_found_in_other_words(text, name):
    assert find_metric(text) == name


def look(columns, sample=("id", "y"), first=("1", "0.5"), files=None):
    lines = ["FILES " + json.dumps(files or {".": 3}), "SAMPLE " + json.dumps({"columns": sample, "first": first})]
    lines += ["COLUMN " + json.dumps(column) for column in columns]
    return "Status: ok\n" + "\n".join(lines)


ID = {"name": "id", "kind": "number", "unique": 100, "in_test": True}
TARGET = {"name": "y", "kind": "number", "unique": 90, "in_test": False}


def test_the_target_is_what_only_the_training_table_has():
    facts = read_facts("The metric is `mae`.", look([ID, TARGET, {**ID, "name": "x"}]))
    assert (facts.target, facts.id_column, facts.regression, facts.metric) == ("y", "id", True, "mae")
    assert facts.numeric_columns == ("x",)


def test_without_a_metric_the_files_tell_the_kind():
    few = {**TARGET, "unique": 3}
    assert read_facts("", look([ID, TARGET])).regression
    assert read_facts("", look([ID, few])).probabilities
    assert not read_facts("", look([ID, few], first=("1", "2"))).probabilities


def test_prose_pictures_and_angles_are_told_apart():
    prose = {"name": "note", "kind": "text", "unique": 99, "in_test": True, "words": 14.0, "example": "it was"}
    photo = {"name": "photo", "kind": "text", "unique": 99, "in_test": True, "words": 1.0, "example": "images/1.png"}
    angle = {**ID, "name": "wind_dir"}
    described = "| wind_dir | direction of the wind, degrees |"
    facts = read_facts(described, look([ID, prose, photo, angle, TARGET], files={".": 3, "images": 700}))
    assert facts.text_columns == ("note",)
    assert facts.picture_column == "photo"
    assert facts.periods == {"wind_dir": 360.0}
    assert read_facts(described, look([ID, photo, TARGET], files={".": 3})).picture_column == ""


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):\nKeyError: 'x'", "SAMPLE {\nCOLUMN 3"])
def test_a_look_that_failed_gives_no_facts(text):
    assert read_facts("The metric is `mae`.", text) is None
