"""The environment is what its documentation says: real packages, and stubs only where CUDA is needed."""

import importlib
import importlib.metadata
import importlib.util
import re
from pathlib import Path

import pytest

STUBS = Path(__file__).parent / "stubs"


@pytest.mark.parametrize(
    ("package", "version"),
    [("openrlhf", "0.11.2"), ("deepspeed", "0.19.6"), ("ray", "2.55.0"), ("transformers", "5.15.0"), ("trl", "1.16.0")],
)
def test_the_packages_are_the_real_ones_at_their_pinned_versions(package, version):
    assert importlib.metadata.version(package) == version
    assert STUBS not in Path(importlib.util.find_spec(package).origin).parents


def test_every_stub_is_listed_with_its_reason_and_nothing_else_is():
    listed = set(re.findall(r"^\| `([\w.]+)` \|", (STUBS / "README.md").read_text("utf-8"), re.MULTILINE))
    files = {path.relative_to(STUBS).with_suffix("") for path in STUBS.rglob("*.py")}
    there = {".".join(path.parts).removesuffix(".__init__") for path in files}
    # A package that only leads to another one has no names to list.
    empty = {name for name in there - listed if any(other.startswith(f"{name}.") for other in there)}
    assert there - empty == listed


def test_what_a_stub_cannot_do_fails_and_says_why():
    import vllm
    from flash_attn.bert_padding import unpad_input

    with pytest.raises(ImportError, match=r"vllm\.LLM needs CUDA"):
        vllm.LLM("some/model")
    with pytest.raises(ImportError, match="needs CUDA"):
        unpad_input([], [])
