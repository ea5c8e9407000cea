"""The demo: what the program does, all of it and small, by its own commands."""
