"""Stands in for flash-attn, which is compiled with CUDA; see the README beside this folder."""

from typing import Any, NoReturn

from einops import rearrange

__all__ = ["index_first_axis", "pad_input", "rearrange", "unpad_input"]


def _needs_cuda(name: str) -> NoReturn:
    raise ImportError(f"flash_attn.bert_padding.{name} needs CUDA: samples cannot be packed here")


def index_first_axis(*given: Any) -> NoReturn:
    _needs_cuda("index_first_axis")


def pad_input(*given: Any) -> NoReturn:
    _needs_cuda("pad_input")


def unpad_input(*given: Any) -> NoReturn:
    _needs_cuda("unpad_input")
