"""What a zygote imports and touches before it forks, so that sessions find it warm."""

import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

# Representative work, so that lazy imports and first-touch page faults are paid once; each with the
# module that must have been asked for.
_WARM_CELLS: Final = (
    (
        "pandas",
        """
import io
import pandas as pd
frame = pd.DataFrame({"a": [1.0, 2.0, None, 4.0] * 25, "b": list("xyxz") * 25})
frame = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
frame.groupby("b")["a"].mean()
frame.merge(frame.drop_duplicates("b"), on="b").describe()
pd.get_dummies(frame.fillna(0.0), columns=["b"])
repr(frame)
""",
    ),
    (
        "sklearn",
        """
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x = np.arange(160.0).reshape(40, 4) % 7
y = (x[:, 0] > 3).astype(int)
cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), x, y, cv=2)
RandomForestClassifier(n_estimators=3, random_state=0).fit(x, y).predict_proba(x)
GradientBoostingClassifier(n_estimators=2, random_state=0).fit(x, y)
Ridge().fit(x, y).predict(x)
from sklearn.feature_extraction.text import TfidfVectorizer
TfidfVectorizer().fit_transform(["one two", "two three"])
""",
    ),
    (
        "PIL",
        """
import io
from PIL import Image
store = io.BytesIO()
Image.new("RGB", (8, 8)).save(store, "PNG")
Image.open(io.BytesIO(store.getvalue())).convert("L").resize((4, 4))
""",
    ),
)


def preload(modules: Sequence[str]) -> None:
    """Import `modules`, leaving out those not installed, and run representative work with them."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module, cell in _WARM_CELLS:
        if module not in sys.modules:
            continue
        with contextlib.suppress(ImportError), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell, "<warm>", "exec"), {"__name__": "warm"})
    gc.collect()
    gc.freeze()


def thread_count() -> int:
    """Threads of this process; forking is safe only with one."""
    return len(os.listdir("/proc/self/task"))
