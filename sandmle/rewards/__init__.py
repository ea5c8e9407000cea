"""The built-in milestones, from which reward presets are made."""
