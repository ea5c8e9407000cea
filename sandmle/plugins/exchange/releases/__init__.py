"""The released SandMLE bundle of synthetic tasks, with what must not be seen moved out of sight."""
