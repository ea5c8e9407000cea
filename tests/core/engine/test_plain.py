"""Names of a stranger's files on a person's screen."""

from sandmle.core.engine.plain import plain, problem_line, problem_row
from sandmle.core.types.synthesis import TaskProblem


def test_what_a_terminal_obeys_and_what_no_encoding_takes_is_escaped() -> None:
    odd = b"caf\xc3\xa9 \xff\x1b[31m".decode("utf-8", "surrogateescape") + "\u202e\0"
    shown = plain(odd)
    assert shown == "caf\u00e9 \\udcff\\x1b[31m\\u202e\\x00"
    assert shown.isprintable()
    assert plain("plain text") == "plain text"
    assert plain("one\ntwo") == "one\\ntwo"


def test_no_line_of_a_message_passes_for_one_of_ours() -> None:
    row = problem_row("task-a", TaskProblem(check="content-hash", message="x\n9 tasks, 0 problems is not part"))
    assert row["message"] == "x\n9 tasks, 0 problems is not part"
    assert problem_line(row).splitlines() == ["task-a: content-hash: x", "    9 tasks, 0 problems is not part"]
