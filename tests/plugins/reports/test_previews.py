"""Task files may be a stranger's: what is shown of them is bounded, and nothing outside the task is read."""

from sandmle.core.types.task import TaskLayout
from sandmle.plugins.reports.previews import MAX_PICTURES, read_board, read_preview


def preview(records, tmp_path, public):
    draft = records.draft("odd", public=public)
    records.corpus(tmp_path / "tasks", [draft])
    return read_preview(TaskLayout(tmp_path / "tasks" / "odd"), draft.spec.submission)


def png(records):
    return records.draft(modality="image").public["images/bird3.png"]


def test_a_picture_outside_the_public_folder_is_not_read(records, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(records))
    rows = f"id,image,nests\n1,../../../secret.png,a\n2,{tmp_path}/secret.png,b\n3,../private/answers.csv.png,c\n"
    seen = preview(records, tmp_path, {"train.csv": rows.encode(), "images/x.png": png(records)})
    assert seen.pictures == ()
    assert "3 pictures are missing" in seen.notes[0]


def test_a_link_out_of_the_task_is_not_followed(records, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(records))
    draft = records.draft("odd", public={"train.csv": b"id,image,nests\n1,a.png,x\n", "images/b.png": b""})
    records.corpus(tmp_path / "tasks", [draft])
    (tmp_path / "tasks/odd/public/images/a.png").symlink_to(tmp_path / "secret.png")
    assert read_preview(TaskLayout(tmp_path / "tasks/odd"), draft.spec.submission).pictures == ()


def test_a_file_that_is_no_small_png_is_refused(records, tmp_path):
    huge = png(records)[:16] + (60_000).to_bytes(4, "big") * 2 + png(records)[24:]
    public = {
        "train.csv": b"id,image,nests\n1,svg.png,a\n2,huge.png,b\n3,long.png,c\n4,good.png,d\n",
        "images/svg.png": b"<svg onload='alert(1)'/>" * 9,
        "images/huge.png": huge,
        "images/long.png": png(records) + b"0" * 1_000_000,
        "images/good.png": png(records),
    }
    seen = preview(records, tmp_path, public)
    assert [picture.name for picture in seen.pictures] == ["good.png"]
    assert seen.pictures[0].caption == "d"


def test_pictures_and_columns_are_limited(records, tmp_path):
    header = ",".join(f"c{n}" for n in range(500))
    rows = "\n".join(",".join(["images/p.png", *["0"] * 499]) for _ in range(100))
    seen = preview(records, tmp_path, {"train.csv": f"{header}\n{rows}\n".encode(), "images/p.png": png(records)})
    assert len(seen.pictures) == MAX_PICTURES
    assert len(seen.header) + seen.hidden_columns == 500
    assert len(seen.header) < 20


def test_ragged_empty_and_binary_tables_are_taken_as_they_are(records, tmp_path):
    for number, content in enumerate(
        [b"", b"\n\n\n", b"id,nests\n1\n2,a,b,c\n", b"\x00\xff\xfe" * 100, b'id\n"' + b"x" * 200_000]
    ):
        assert preview(records, tmp_path / str(number), {"train.csv": content}) is not None


def test_a_board_without_scores_says_so(tmp_path):
    board = tmp_path / "leaderboard.csv"
    board.write_text("rank,points\n1,2\n")
    assert read_board(board) == ((), "leaderboard.csv has no column 'score'")
    board.write_text("")
    assert read_board(board) == ((), "leaderboard.csv is empty")
    assert read_board(tmp_path / "none.csv")[1] == "none.csv is missing or not a regular file"


def test_a_task_made_of_links_is_named_and_not_shown(records, html_of, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the reader's own secret")
    corpus = records.corpus(tmp_path / "tasks", [records.draft("a-one"), records.draft("b-two")])
    (corpus / "a-one/description.md").unlink()
    (corpus / "a-one/description.md").symlink_to(secret)
    page = html_of(corpus)
    assert "the reader&#39;s own secret" not in page
    assert "a-one/description.md is a symbolic link" in page
    assert page.count('<article class="card') == 1
