"""Competitions are found here by name."""
