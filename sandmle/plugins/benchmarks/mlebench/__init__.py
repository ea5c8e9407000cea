"""MLE-bench: its competitions played by our scaffolds, graded by its own code, reported in its own schema."""
