"""The benchmark `realdata`: the real rows behind the built-in seeds, as tasks to measure with and never to train on."""
