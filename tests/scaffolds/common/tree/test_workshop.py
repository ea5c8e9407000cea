"""What runs inside the session: programs in folders of their own, submissions kept apart."""

import os
import sys

import pytest

from sandmle.scaffolds.common.tree.bench import _literal
from sandmle.scaffolds.common.tree.preview import preview
from sandmle.scaffolds.common.tree.workshop import put_up, run_program


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("id,kind,size\n" + "".join(f"{n},a,{n}.5\n" for n in range(20)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


WRITES = "from pathlib import Path\nPath('submission.csv').write_text({text!r})"


def test_a_program_sees_the_data_and_none_of_the_earlier_ones(session, capsys):
    run_program(0, "x = 1\nfrom pathlib import Path\nprint(Path('data/train.csv').read_text()[:12])", False)
    run_program(1, "import os\nprint(sorted(os.listdir()), 'x' in globals(), __name__)", False)
    assert capsys.readouterr().out == "id,kind,size\n['data'] False __main__\n"


def test_the_best_stands_whatever_runs_afterwards(session):
    run_program(0, WRITES.format(text="best"), False)
    assert not (session / "submission.csv").exists()
    put_up(0)
    run_program(1, WRITES.format(text="worse"), False)
    assert (session / "submission.csv").read_text() == "best"
    put_up(1)
    assert (session / "submission.csv").read_text() == "worse"
    put_up(0)
    assert (session / "submission.csv").read_text() == "best"


def test_a_program_that_fails_late_still_leaves_its_submission_when_nothing_better_stands(session):
    with pytest.raises(SystemExit):
        run_program(0, WRITES.format(text="late") + "\nraise SystemExit(1)", True)
    assert (session / "submission.csv").read_text() == "late"
    assert os.getcwd() == str(session)
    assert sys.modules["__main__"].__dict__.get("x") is None


def test_an_attempt_without_a_submission_leaves_what_stands_unless_told_to_clear(session):
    run_program(0, WRITES.format(text="old"), True)
    run_program(1, "pass", True)
    put_up(1)
    assert (session / "submission.csv").read_text() == "old"
    put_up(1, clear=True)
    assert not (session / "submission.csv").exists()


def test_a_traceback_shows_the_programs_own_line(session):
    import traceback

    try:
        run_program(3, "\nvalue = 1\nraise ValueError('no')\n", False)
    except ValueError:
        shown = traceback.format_exc()
    assert "File \"attempt_3.py\", line 2, in <module>\n    raise ValueError('no')" in shown


@pytest.mark.parametrize("code", ["a = '''x'''", 'b = """y"""', "c = '''\"\"\"'''", "d = '\\\\n'", "e = 1  # \\"])
def test_a_program_comes_out_of_its_literal_as_it_went_in(code):
    assert eval(_literal(code)) == f"\n{code}\n"


def test_the_preview_tells_files_and_columns(session):
    (session / "data" / "images").mkdir()
    for number in range(40):
        (session / "data" / "images" / f"{number}.png").write_bytes(b"png")
    (session / "data" / "test.csv").write_text("id,kind\n1,b\n")
    shown = preview("data")
    assert "train.csv (21 lines)" in shown
    assert "  images/\n    0.png (3 bytes)" in shown
    assert "and 36 more files" in shown
    assert "data/train.csv: 20 rows, 3 columns." in shown
    assert "- kind (" in shown
    assert "1 values, ['a']" in shown
    assert "- size (float64): from 0.5 to 19.5" in shown


def test_a_preview_of_many_columns_only_names_them(session):
    names = [f"a_rather_long_column_name_{number}" for number in range(200)]
    (session / "data" / "train.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    shown = preview("data")
    assert "and 185 more" in shown
    assert len(shown) < 2000
