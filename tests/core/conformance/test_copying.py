"""The sample task is one that can be played and graded."""

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.grading import grade_file
from sandmle.core.engine.tasks import write_task
from sandmle.core.types.score import Medal


async def test_copying_earns_gold_and_the_sample_submission_nothing(tmp_path):
    task = write_task(tmp_path, copying_draft("copy-me", train_rows=3, description="Copy."))
    assert task.description.strip() == "Copy."
    assert len((task.layout.public / "train.csv").read_text().splitlines()) == 1 + 3
    copied = tmp_path / "copied.csv"
    rows = (task.layout.public / "test.csv").read_text()
    copied.write_text(rows.replace("x", "y"))
    assert (await grade_file(task.layout.root, copied)).medal is Medal.GOLD
    sample = await grade_file(task.layout.root, task.layout.sample_submission)
    assert sample.valid
    assert sample.medal is Medal.NONE
