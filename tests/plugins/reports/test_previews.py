"""Task files may be a stranger's: what is shown of them is bounded, and nothing outside the task is read."""

import base64
import io
import math
import re
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sandmle.core.types.task import TaskLayout
from sandmle.plugins.reports import media
from sandmle.plugins.reports.media import MAX_PICTURES
from sandmle.plugins.reports.previews import read_board, read_preview


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
    assert seen.media.pictures == ()
    assert "3 pictures are missing" in seen.notes[0]


def test_a_link_out_of_the_task_is_not_followed(records, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(records))
    draft = records.draft("odd", public={"train.csv": b"id,image,nests\n1,a.png,x\n", "images/b.png": b""})
    records.corpus(tmp_path / "tasks", [draft])
    (tmp_path / "tasks/odd/public/images/a.png").symlink_to(tmp_path / "secret.png")
    assert read_preview(TaskLayout(tmp_path / "tasks/odd"), draft.spec.submission).media.pictures == ()


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
    assert [picture.name for picture in seen.media.pictures] == ["good.png"]
    assert seen.media.pictures[0].caption == "d"


def test_pictures_and_columns_are_limited(records, tmp_path):
    header = ",".join(f"c{n}" for n in range(500))
    rows = "\n".join(",".join(["images/p.png", *["0"] * 499]) for _ in range(100))
    seen = preview(records, tmp_path, {"train.csv": f"{header}\n{rows}\n".encode(), "images/p.png": png(records)})
    assert len(seen.media.pictures) == MAX_PICTURES
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


def wav(seconds: float = 0.3, tone: float = 440.0, *, width: int = 2) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(8000)
        swing = [math.sin(2 * math.pi * tone * n / 8000) for n in range(int(8000 * seconds))]
        file.writeframes(b"".join(struct.pack("<h", int(9000 * one))[-width:] for one in swing))
    return content.getvalue()


def darkest_row(uri: str) -> float:
    """Where in the picture it is darkest, 0 at the top and 1 at the bottom."""
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), dtype=float)
    return float(grey.sum(axis=1).argmin()) / len(grey)


def test_sounds_are_heard_and_seen_higher_where_they_are_higher(records, tmp_path):
    rows = b"id,sound,nests\n1,sounds/low.wav,a\n2,sounds/high.wav,b\n3,sounds/low.wav,c\n4,sounds/low.wav,d\n"
    public = {"train.csv": rows, "sounds/low.wav": wav(tone=500), "sounds/high.wav": wav(tone=3000)}
    seen = preview(records, tmp_path, public)
    assert [one.caption for one in seen.media.sounds] == ["a", "b", "c"]
    low, high, _ = seen.media.sounds
    assert base64.b64decode(low.uri.removeprefix("data:audio/wav;base64,")) == public["sounds/low.wav"]
    assert darkest_row(high.spectrogram) < 0.3 < 0.8 < darkest_row(low.spectrogram)
    assert low.seconds == pytest.approx(0.3)


def test_sounds_that_cannot_be_shown_are_counted(records, tmp_path):
    public = {
        "train.csv": b"id,sound,nests\n1,page.wav,a\n2,cut.wav,b\n3,byte.wav,c\n4,long.wav,d\n5,good.wav,e\n",
        "sounds/page.wav": b"<script>alert(1)</script>",
        "sounds/cut.wav": wav()[:50],
        "sounds/byte.wav": wav(width=1),
        "sounds/long.wav": wav(9),
        "sounds/good.wav": wav(0.001),
    }
    seen = preview(records, tmp_path, public)
    assert "good.wav" in [one.name for one in seen.media.sounds]
    assert not {"page.wav", "byte.wav", "long.wav"} & {one.name for one in seen.media.sounds}
    assert "16-bit WAV" in seen.notes[0]


@given(at=st.integers(0, 60), value=st.binary(min_size=1, max_size=8))
def test_a_damaged_sound_is_shown_or_refused_and_ends_nothing(at, value):
    content = wav(0.01)
    damaged = content[:at] + value + content[at + len(value) :]
    media._sound(damaged, "x.wav", "y")


def test_readings_are_curves_that_break_where_one_is_missing(records, tmp_path):
    public = {
        "train.csv": b"id,series,nests\n1,series/a.csv,x\n2,series/b.csv,y\n3,series/words.csv,z\n4,series/far.csv,w\n",
        "series/a.csv": b"step,reading\n0,1\n1,3\n2,\n3,2\n4,5\n",
        "series/b.csv": b"step,reading\n0,7\n1,7\n",
        "series/words.csv": b"<svg onload=alert(1)>,<b>\nno,numbers\n",
        "series/far.csv": b"s,r\n0,-1.7e308\n1,1.7e308\n2,nan\n3,inf\n",
    }
    seen = preview(records, tmp_path, public)
    assert [one.name for one in seen.media.series] == ["series/a.csv", "series/b.csv", "series/far.csv"]
    assert seen.media.series[0].curve.count("<polyline") == 2
    assert "5 readings from 1 to 5" in seen.media.series[0].curve
    assert not re.search(r'points="[^"]*(nan|inf)', "".join(one.curve for one in seen.media.series))
    assert "1 files of readings are missing" in seen.notes[0]


def test_a_piece_of_a_graph_is_drawn_around_a_training_row(records, tmp_path):
    edges = ["node,linked_to", *(f"a,{other}" for other in "bcd"), "d,e", "d,f", "x,y", "a,a", "b,a"]
    public = {"train.csv": b"id,depth,nests\nq,1,no\na,2,yes\nb,3,no\n", "edges.csv": "\n".join(edges).encode()}
    drawn = preview(records, tmp_path, public).links
    assert "6 links; row a, 3 rows linked to it, and 2 linked to those" in drawn
    assert drawn.count("<line") == 5
    assert drawn.count('class="mark s0"') == 2


@pytest.mark.parametrize(
    "edges",
    [
        b"",
        b"node\na\n",
        b"\x00\xff\n\x00,\xff\n",
        b'"' + b"x" * 300_000,
        b"n,m\na,<script>alert(1)</script>\na,b\na,c\n",
    ],
)
def test_an_odd_edge_list_ends_nothing_and_its_words_stay_text(records, tmp_path, edges):
    public = {"train.csv": b"id,depth,nests\na,1,no\n", "edges.csv": edges}
    assert "<script>" not in str(preview(records, tmp_path, public).links)
