"""Stands in for MLE-bench."""
