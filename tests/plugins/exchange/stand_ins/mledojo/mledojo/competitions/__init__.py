"""Competitions are data, found by `registry`."""

from .registry import get_metric, get_prepare

__all__ = ["get_metric", "get_prepare"]
