"""Reports: one static HTML file that says what was made and what agents did with it."""
