"""`local/PATH`: a transformers checkpoint in this process, token-exact and trainable."""
