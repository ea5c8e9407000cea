"""The `process` backend: a preloaded zygote that forks one enclosed session per episode."""
