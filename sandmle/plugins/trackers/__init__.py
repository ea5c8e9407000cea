"""Records of what happens while a run goes on."""
