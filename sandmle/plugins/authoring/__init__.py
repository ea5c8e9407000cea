"""For those who write plugins: a package to begin with, and a check of what they made."""
