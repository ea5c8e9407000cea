"""Protocols that plugins implement, one contract a file."""
