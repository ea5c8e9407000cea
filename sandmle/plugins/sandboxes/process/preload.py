"""What a zygote imports and touches before it forks, so that sessions find it warm."""

import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

from sandmle.plugins.sandboxes.process.heap import fill_holes

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
pd.get_dummies(frame.fillna(0.0), columns=["b"]).to_numpy(float)
both = pd.concat([frame, frame.drop(columns="a")], ignore_index=True)
both.select_dtypes("number").isna().any().any(), both["b"].nunique(), both["a"].rank(), both.corr(numeric_only=True)
text = "id " + both["b"] + " 7 kg"
text.str.extractall(r"(\\d+) (\\w+)").unstack(fill_value="").reindex(range(3)), text.str.split().str[:2].str.join(" ")
pd.to_datetime(pd.Series(["2024-01-31", "2025-02-01"])).dt.dayofweek
both.to_csv(io.StringIO(), index=False), both.to_csv("/dev/null")
repr(both), str(both.head()), both.info(buf=io.StringIO())
""",
    ),
    (
        "sklearn",
        """
import numpy as np
from sklearn import ensemble, linear_model, neighbors, svm, tree
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_squared_error, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
x = np.random.default_rng(0).normal(size=(60, 6))
y = (x[:, 0] > 0).astype(int)
few = {"n_estimators": 3, "random_state": 0}
for model in (
    linear_model.LogisticRegression(), linear_model.Ridge(), linear_model.LinearRegression(), linear_model.Lasso(),
    neighbors.KNeighborsClassifier(3), neighbors.KNeighborsRegressor(3), svm.SVC(), tree.DecisionTreeClassifier(),
    ensemble.RandomForestClassifier(**few), ensemble.RandomForestRegressor(**few),
    ensemble.GradientBoostingClassifier(**few), ensemble.GradientBoostingRegressor(**few),
    ensemble.HistGradientBoostingClassifier(max_iter=2), ensemble.HistGradientBoostingRegressor(max_iter=2),
):
    model.fit(x, y).score(x, y)
chain = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=3), linear_model.LogisticRegression())
cross_val_score(chain, x, y, cv=2)
SelectKBest(f_regression, k=3).fit_transform(SimpleImputer().fit_transform(x), x[:, 1])
PCA(2).fit_transform(x), OneHotEncoder().fit_transform([["a"], ["b"]]).toarray()
train_test_split(x, y, stratify=y, random_state=0), list(KFold(2).split(x)), list(StratifiedKFold(2).split(x, y))
roc_auc_score(y, x[:, 0]), f1_score(y, y), accuracy_score(y, y), mean_squared_error(y, y), r2_score(y, y)
log_loss(y, y * 0.5 + 0.25)
for kind in (CountVectorizer, TfidfVectorizer):
    kind(ngram_range=(1, 2)).fit_transform(["one two", "two three"]).toarray()
CountVectorizer(analyzer="char_wb", ngram_range=(2, 3)).fit_transform(["one two"])
try:
    import pandas as pd
    frame = pd.DataFrame(x, columns=list("abcdef")).assign(g=["u", "v"] * 30)
    encode = OneHotEncoder(handle_unknown="ignore")
    pick = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", encode, ["g"])])
    pipe = make_pipeline(pick, linear_model.LogisticRegression()).fit(frame, pd.Series(y))
    pipe.predict(frame), pipe.predict_proba(frame), train_test_split(frame, pd.Series(y), random_state=0)
    ensemble.RandomForestClassifier(**few).fit(frame[["a", "b"]], pd.Series(y)).predict(frame[["a", "b"]])
except ImportError:
    pass
np.linalg.solve(x.T @ x, x.T @ y), np.abs(np.fft.fft2(x)), np.percentile(x, 50), np.triu_indices(3, 1)
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
_TURNS: Final = 2
"""Code that has run more than once is in its quick form, which sessions would otherwise each make again."""


def preload(modules: Sequence[str]) -> None:
    """Import `modules`, leaving out those not installed, and run representative work with them."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module, cell in _WARM_CELLS:
        if module not in sys.modules:
            continue
        work = compile(cell, "<warm>", "exec")
        with contextlib.suppress(ImportError), contextlib.redirect_stdout(io.StringIO()):
            for _ in range(_TURNS):
                exec(work, {"__name__": "warm"})
    gc.collect()
    fill_holes()
    gc.freeze()


def thread_count() -> int:
    """Threads of this process; forking is safe only with one."""
    return len(os.listdir("/proc/self/task"))
