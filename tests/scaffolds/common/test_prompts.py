"""Rendering prompts."""

import jinja2
import pytest

from sandmle.scaffolds.common.prompts import render_prompt


def test_a_missing_field_raises():
    with pytest.raises(jinja2.UndefinedError):
        render_prompt("sandmle.scaffolds.react", "task.md", description="x")


def test_a_value_is_not_rendered_again():
    fields = {
        "description": "{{ files }} {% raw %}",
        "files": (),
        "max_turns": 1,
        "cell_timeout": "1",
        "feedback": "validate_only",
        "max_scored_submissions": 1,
    }
    assert "{{ files }} {% raw %}" in render_prompt("sandmle.scaffolds.react", "task.md", **fields)
