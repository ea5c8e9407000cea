"""An example plugin package for SandMLE."""
