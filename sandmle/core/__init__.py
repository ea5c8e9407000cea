"""The nouns, the contracts and the loop. Imports nothing heavy and no plugin."""
