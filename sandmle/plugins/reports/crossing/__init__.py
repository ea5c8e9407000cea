"""Models by scaffolds: the command that plays them, and their part of the page."""
