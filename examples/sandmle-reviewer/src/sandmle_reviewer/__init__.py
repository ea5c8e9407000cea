"""An example plugin package for SandMLE: a role, a check, and a provider that brings a rule family."""
