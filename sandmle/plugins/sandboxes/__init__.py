"""Sandbox backends: where agent code runs."""
