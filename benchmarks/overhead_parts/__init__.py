"""What `benchmarks/overhead.py` is made of."""
