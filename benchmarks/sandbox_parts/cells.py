"""What every way of running code is asked to run."""

import ast
import io
import sys
from contextlib import redirect_stdout
from typing import Any, Final

TRIVIAL: Final = "1 + 1"
LOGREG: Final = """
from sklearn.linear_model import LogisticRegression
target = (frame["a"] + frame["b"] > 0).astype(int)
model = LogisticRegression().fit(frame[["a", "b", "c"]], target)
print(model.score(frame[["a", "b", "c"]], target))
"""
CELLS: Final = (
    TRIVIAL,
    """
import numpy as np
import pandas as pd
rng = np.random.default_rng(0)
frame = pd.DataFrame({"a": rng.normal(size=150), "b": rng.normal(size=150), "c": rng.integers(0, 5, 150)})
print(frame.groupby("c")["a"].mean())
""",
    LOGREG,
    "frame.describe()",
    "print(model.coef_)",
    "frame.to_csv('submission.csv', index=False)",
)
"""The six cells of a session: each needs what those before it made."""
IMPORTS: Final = "import numpy, pandas, sklearn.linear_model"


def run_bare(cells: tuple[str, ...], names: dict[str, Any]) -> None:
    """Run cells in this process as a notebook would, without any walls: the floor that nothing gets below."""
    with redirect_stdout(io.StringIO()):
        for cell in cells:
            tree = ast.parse(cell)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<cell>", "exec"), names)
            if isinstance(last, ast.Expr):
                sys.displayhook(eval(compile(ast.Expression(last.value), "<cell>", "eval"), names))


def scripts(cells: tuple[str, ...]) -> list[str]:
    """One script for each step, which must first do again what the steps before it did."""
    return ["\n".join(cells[: at + 1]) for at in range(len(cells))]
