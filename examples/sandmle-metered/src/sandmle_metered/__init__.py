"""An example plugin package for SandMLE: a sandbox and a milestone."""
