"""Frozen nouns: what crosses the arrows of the data flow. No I/O happens here."""
