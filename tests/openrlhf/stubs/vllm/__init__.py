"""Stands in for vLLM, which needs CUDA; see the README beside this folder."""

import copy
from typing import Any, NoReturn


class SamplingParams:
    """What OpenRLHF fills in and agents read, copy and change."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update({"n": 1, "stop": None, "stop_token_ids": None, "logprobs": None, **settings})

    def clone(self) -> "SamplingParams":
        return copy.deepcopy(self)


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"vllm.{name} needs CUDA and is not among the stand-ins of make test-openrlhf")
