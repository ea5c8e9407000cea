"""What `benchmarks/learning.py` is made of."""
