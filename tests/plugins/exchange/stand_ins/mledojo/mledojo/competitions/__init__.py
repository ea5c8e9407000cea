"""Competitions are data, found by `registry`."""

from .registry import get_metric

__all__ = ["get_metric"]
