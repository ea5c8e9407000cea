"""Stands in for vLLM, which needs CUDA; see the README beside this folder."""

from typing import Any, TypedDict


class TokensPrompt(TypedDict, total=False):
    """A prompt as ids."""

    prompt_token_ids: list[int]
    multi_modal_data: Any
