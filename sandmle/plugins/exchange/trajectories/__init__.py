"""Recorded episodes as files that other trainers and viewers read."""
