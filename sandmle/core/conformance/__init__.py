"""Suites that show whether an implementation keeps its contract, shipped for plugin authors."""
