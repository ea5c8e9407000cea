"""MLE-Dojo: its competitions played by our scaffolds, and our scaffolds inside its own environment."""
