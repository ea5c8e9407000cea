"""The synthesizer: roles that turn a seed into a task, the graph that plays them, the checks, the commands."""
