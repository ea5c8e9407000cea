"""Stands in for MLE-Dojo."""
