"""Verbs, one per arrow of the data flow."""
