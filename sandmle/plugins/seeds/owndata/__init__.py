"""A user's own folder of CSV files as tasks of real rows, after the protocol of `realdata`."""
