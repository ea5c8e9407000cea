from pathlib import Path

import pytest

from sandmle.core.errors import TaskError
from sandmle.plugins.seeds.outside.arff import read_arff

IRIS = """\
% as OpenML writes it
@RELATION iris

@ATTRIBUTE sepallength	REAL
@ATTRIBUTE 'sepal width' numeric
@attribute "kind of petal" {short,'very long',"it''s"}
@attribute class {Iris-setosa, Iris-versicolor}
@DATA
5.1,3.5,short,Iris-setosa
% between
?, 3.0, 'very long' ,Iris-versicolor
{0 4.9, 2 'very long'}
{ }
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "data.arff"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_dense_and_sparse_rows_quotes_comments_and_missing_values_are_read(tmp_path: Path) -> None:
    found = read_arff(written(tmp_path, IRIS))
    assert [one.name for one in found.attributes] == ["sepallength", "sepal width", "kind of petal", "class"]
    assert found.attributes[2].levels[:2] == ("short", "very long")
    assert found.rows == (
        ("5.1", "3.5", "short", "Iris-setosa"),
        ("", "3.0", "very long", "Iris-versicolor"),
        ("4.9", "0", "very long", "Iris-setosa"),
        ("0", "0", "short", "Iris-setosa"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "line 1: up to @data"),
        ("@relation x\n@attribute a real\n@attribute b real\n", "has no @data line"),
        ("@attribute a real\n@attribute a real\n@data\n1,2\n", "none twice"),
        ("@attribute a real\n@attribute b real\n@data\n", "has no rows"),
        ("@attribute a real\n@attribute b real\n@data\n1,2,3\n", "line 4: 3 values, 2 attributes"),
        ("@attribute a real\n@attribute b real\n@data\n{7 1}\n", "is not `INDEX VALUE`"),
        ("@attribute a {x,y\n@attribute b real\n@data\n1,2\n", "is not closed"),
        ("@attribute a real\n@attribute b real\n@data\n'1,2\n", "line 4: a quote is not closed"),
        (b"\xff\xfe", "is not UTF-8"),
        ("@attribute a real\n" * 600, "up to @data, 500"),
    ],
)
def test_what_is_no_arff_is_refused_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        read_arff(written(tmp_path, text))


def test_a_link_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link.arff").symlink_to(written(tmp_path, IRIS))
    with pytest.raises(TaskError, match="not a regular file"):
        read_arff(tmp_path / "link.arff")
    with pytest.raises(TaskError, match="no such file"):
        read_arff(tmp_path / "none.arff")
