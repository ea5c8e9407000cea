"""AIDE: a tree search over whole programs with the operators draft, debug and improve."""
