"""What `benchmarks/synthesis.py` is made of."""
