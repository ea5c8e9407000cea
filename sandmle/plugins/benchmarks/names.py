"""The words of this family's commands, apart from what does the work, since help imports nothing heavy."""

from enum import StrEnum


class BenchmarkName(StrEnum):
    """The benchmarks of others that have a bridge."""

    MLEBENCH = "mlebench"
    MLEDOJO = "mledojo"


class Rounding(StrEnum):
    """How a score is rounded to five decimals before it is ranked."""

    NONE = "none"
    PYTHON = "python"
    """As Python rounds a float: to the nearest decimal, exactly."""
    NUMPY = "numpy"
    """As numpy rounds a float64: scaled, rounded to even, scaled back. 0.123455 becomes 0.12346, and not 0.12345."""
