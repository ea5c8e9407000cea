"""SandMLE: make, run, reward and learn from micro-scale machine-learning-engineering tasks.

What a plugin author may import. Everything else is internal and may move.
"""
