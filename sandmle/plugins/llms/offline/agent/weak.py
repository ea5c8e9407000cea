"""What the weak agent writes: one plain model on whatever numbers lie at hand, with the slips of a beginner. Pure."""

import random
from dataclasses import dataclass

from sandmle.plugins.llms.offline.agent.models import imports_for

_REGRESSORS = ("DecisionTreeRegressor(max_depth=2)", "Ridge(alpha=30.0)", "KNeighborsRegressor(25)")
_CLASSIFIERS = ("DecisionTreeClassifier(max_depth=2)", "LogisticRegression(C=0.01)", "KNeighborsClassifier(25)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What the weak agent has learned to mind, from what it was told."""

    missing: bool
    """Fill missing values."""
    names: bool
    """Name the columns as the sample submission does."""
    negative: bool
    """Cut off predictions below zero."""


def glance_cell() -> str:
    """All the looking the weak agent does."""
    return (
        "# stage: look\nimport pandas as pd\ntrain = pd.read_csv('data/train.csv')\nprint(train.head(3))\n"
        "print(pd.read_csv('data/sample_submission.csv').head(3))"
    )


def quick_cell(
    regression: bool, probabilities: bool, care: Care, rng: random.Random, stage: str, *, several: bool = False
) -> str:
    """Load, take the numeric columns (else the length of the row's texts), fit one model (a target), write."""
    model = rng.choice(_REGRESSORS if regression else _CLASSIFIERS)
    fill = ".fillna(0)" if care.missing else ""
    names = "sample.columns[1:]" if care.names else '["prediction"] * (sample.shape[1] - 1)'
    if regression:
        predicted = "model.predict(features(test))" + (".clip(0)" if care.negative else "")
    elif probabilities:
        predicted = "model.predict_proba(features(test))\nif len(sample.columns) == 2:\n    predicted = predicted[:, 1]"
    else:
        predicted = "model.predict(features(test))"
    if several:
        told = "predict(features(test))" if regression else "predict_proba(features(test))[:, -1]"
        predicted = (
            f"np.column_stack([\n    model.fit(features(train), train[name]).{told}\n"
            "    for name in train.columns if name not in test.columns\n])"
        )
    imports = "\n".join(imports_for([model]))
    return f"""# stage: {stage}
import numpy as np
import pandas as pd
{imports}

train, test, sample = (pd.read_csv(f"data/{{name}}.csv") for name in ("train", "test", "sample_submission"))
target = [name for name in train.columns if name not in test.columns][0]
numbers = [name for name in test.columns[1:] if pd.api.types.is_numeric_dtype(test[name])]

def features(table):
    if numbers:
        return table[numbers]{fill}.to_numpy(float)
    return table[test.columns[1:]].astype(str).sum(axis=1).str.len().to_numpy(float).reshape(-1, 1)

model = {model}.fit(features(train), train[target])
predicted = {predicted}
out = pd.DataFrame(np.asarray(predicted).reshape(len(test), -1), columns={names})
out.insert(0, sample.columns[0], test[sample.columns[0]])
out.to_csv("submission.csv", index=False)
print("WROTE submission.csv", out.shape)"""
