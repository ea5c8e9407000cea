"""Proves that a corpus is what its manifest says, and makes its tasks anew."""
