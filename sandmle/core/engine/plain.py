"""Text of a stranger's, such as a file's name in a downloaded corpus, as it may be shown to a person."""

from sandmle.core.types.synthesis import TaskProblem


def plain(text: str) -> str:
    r"""The text on one line, with all that a terminal would obey, or that no encoding takes, written as an escape.

    >>> plain("red\x1b[31m")
    'red\\x1b[31m'
    """
    # Bytes of a file's name that are no UTF-8 come as halves of surrogate pairs, which cannot be printed.
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def problem_row(name: str, problem: TaskProblem) -> dict[str, str]:
    """A problem of the folder or file of that name, as it stands in a JSON document; a message keeps its lines."""
    message = "\n".join(map(plain, problem.message.split("\n")))
    return {"task": plain(name), "check": problem.check, "message": message}


def problem_line(row: dict[str, str]) -> str:
    """The same for a person; later lines are set in, so that none of them passes for one of ours."""
    return f"{row['task']}: {row['check']}: {row['message']}".replace("\n", "\n    ")
