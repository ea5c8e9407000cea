"""What `benchmarks/generalization.py` is made of."""
