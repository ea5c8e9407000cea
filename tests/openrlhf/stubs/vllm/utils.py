"""Stands in for vLLM, which needs CUDA; see the README beside this folder."""

import uuid


def random_uuid() -> str:
    """Names a request."""
    return uuid.uuid4().hex
