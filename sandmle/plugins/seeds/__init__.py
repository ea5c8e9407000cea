"""Seeds: what real data sets look like, in numbers."""
