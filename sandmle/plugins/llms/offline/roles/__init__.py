"""`offline/roles`: a deterministic, rule-based player of the synthesizer's four roles. Only text in, only text out."""
