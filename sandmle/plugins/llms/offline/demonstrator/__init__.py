"""The demonstrator: compact, repetitive Python from a finite table of lines, for a small policy to learn from."""
