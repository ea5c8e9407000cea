"""Canaries: checks of a running training that sing out when what is trained is not what was meant."""
