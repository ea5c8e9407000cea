"""Trainers: what turns episodes into a better policy."""
