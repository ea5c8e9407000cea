"""The embedded default models: rule-based players behind litellm's custom-provider door. No network."""
