"""AIRA: greedy search with AIRA's operators, scoped memory, complexity cues, and a check of every submission."""
