"""The `jupyter` backend: one isolated ipykernel per session, driven through jupyter_client."""
