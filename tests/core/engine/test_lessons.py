"""What is known of a policy's trainings, from wherever its checkpoint is named."""

import pytest

from sandmle.core.engine.lessons import Lesson, lessons_of_model, read_lessons, taught_under, write_lessons
from sandmle.core.errors import RunError, StoreError

IMITATED = Lesson(method="sft", scaffolds=("codeact", "react"))
DONE = Lesson(method="grpo", scaffolds=("react",))


@pytest.fixture
def output(tmp_path):
    """A trainer's output directory with a record, a checkpoint and a pointer to it."""
    root = tmp_path / "grpo"
    (root / "checkpoints" / "0002").mkdir(parents=True)
    (root / "last").symlink_to("checkpoints/0002")
    write_lessons(root, (IMITATED, DONE))
    return root


def test_the_record_is_found_from_the_output_directory_and_from_its_checkpoints(output):
    for path in (output, output / "last", output / "checkpoints" / "0002"):
        assert read_lessons(path) == (IMITATED, DONE)
        assert lessons_of_model(f"local/{path}") == (IMITATED, DONE)


def test_a_model_that_is_no_directory_has_no_lessons(tmp_path):
    for model in ("offline/agent", "openai/gpt-5", "local/nowhere", "agent", "local/", f"local/{tmp_path}"):
        assert lessons_of_model(model) == ()


def test_which_methods_met_a_scaffold(output):
    lessons = read_lessons(output)
    assert taught_under(lessons, "react") == ("sft", "grpo")
    assert taught_under(lessons, "codeact") == ("sft",)
    assert taught_under(lessons, "aide") == ()


def test_without_a_record_the_configuration_tells_what_it_can(tmp_path):
    (tmp_path / "config.toml").write_text('method = "grpo"\n[run]\nscaffold = "react"\n')
    assert read_lessons(tmp_path) == (DONE,)
    (tmp_path / "config.toml").write_text('method = "sft"\n')
    assert read_lessons(tmp_path) == (Lesson(method="sft", scaffolds=()),)
    (tmp_path / "config.toml").write_text("[run]\n")
    assert read_lessons(tmp_path) == ()


@pytest.mark.parametrize(
    "content", ["", "{}", '[{"method": "sft"}]', '[{"method": "sft", "scaffolds": ["a"], "x": 1}]']
)
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "lessons.json").write_text(content)
    with pytest.raises(RunError, match=r"lessons\.json is no record of lessons"):
        read_lessons(tmp_path)


def test_a_record_that_cannot_be_written_is_the_stores_failure(tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        write_lessons(tmp_path / "nowhere", (DONE,))
