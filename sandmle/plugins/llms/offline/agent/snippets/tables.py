"""Tables: reading them, telling columns apart, plain features, and writing the submission."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]


def usable_columns(train: pd.DataFrame, test: pd.DataFrame, leave_out: list[str]) -> tuple[list[str], list[str]]:
    """Numeric and categorical columns found in both tables; free text and constants are neither."""
    shared = [name for name in train.columns if name in test.columns and name not in leave_out]
    numeric = [name for name in shared if pd.api.types.is_numeric_dtype(train[name]) and train[name].nunique() > 1]
    words = [name for name in shared if not pd.api.types.is_numeric_dtype(train[name])]
    return numeric, [name for name in words if 1 < train[name].nunique() <= 40]


def plain_features(
    train: pd.DataFrame, test: pd.DataFrame, numeric: list[str], categories: list[str]
) -> tuple[Array, Array]:
    """Medians for what is missing, numbers scaled, categories one-hot: (rows, features) of each table."""
    both = pd.concat([train, test], ignore_index=True)
    numbers = both[numeric].astype(float).replace([np.inf, -np.inf], np.nan)
    numbers = numbers.fillna(numbers.median()).fillna(0.0)
    scaled = (numbers - numbers.mean()) / numbers.std().replace(0, 1)
    blocks = [scaled.to_numpy(float)]
    if categories:
        blocks.append(pd.get_dummies(both[categories].astype(str)).to_numpy(float))
    # A constant, should there be nothing else: models want at least one column.
    whole = np.hstack(blocks) if numeric or categories else np.ones((len(both), 1))
    return whole[: len(train)], whole[len(train) :]


def read_target(column: "pd.Series[object]", regression: bool) -> tuple[npt.NDArray[np.float64], list[object]]:
    """The target as floats, or as class codes with the classes they stand for."""
    if regression:
        return column.to_numpy(float), []
    # Of two classes the second by its text is the positive one; more may be numbers with an order of their own.
    classes = sorted(column.unique(), key=str) if column.nunique() == 2 else sorted(column.unique())
    codes = {label: code for code, label in enumerate(classes)}
    return column.map(codes).to_numpy(float), classes


def write_submission(prediction: npt.NDArray[np.generic], test: pd.DataFrame, sample: pd.DataFrame) -> None:
    """Predictions in the order of `test`, one column per target column of the sample submission."""
    id_column, targets = sample.columns[0], list(sample.columns[1:])
    table = pd.DataFrame(np.asarray(prediction).reshape(len(test), len(targets)), columns=targets)
    table.insert(0, id_column, test[id_column].to_numpy())
    table.to_csv("submission.csv", index=False)
    print("WROTE submission.csv", table.shape, "first row:", table.iloc[0].astype(str).tolist())
