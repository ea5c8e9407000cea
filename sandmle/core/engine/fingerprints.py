"""What an adapter remembers of the weights it was trained on, so that nobody puts it on others and hears nothing of it.

Shapes fit as well between a model and its sibling, or the same model after another training. `below.json` beside an
adapter's own files holds the fingerprint of the right ones. An adapter without it is of another origin and not judged.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import ConfigError

RECORD: Final = "below.json"
_KEY: Final = "weights_sha256"


def fingerprint(weights: Mapping[str, Any]) -> str:
    """SHA-256 over names, shapes and numbers, as float32; independent of the order and of how they are stored.

    Args:
        weights: tensors of torch by their names in a model without an adapter; what shares memory counts once, under
            the first of its names.
    """
    seen: set[int] = set()
    own: dict[str, Any] = {}
    for name, tensor in weights.items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            own[name] = tensor
    digest = hashlib.sha256()
    for name, tensor in sorted(own.items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        # Numbers of bfloat16 are written as such and may be opened as float32, which changes none of them.
        digest.update(tensor.detach().cpu().float().contiguous().numpy().ravel())
    return digest.hexdigest()


def write_fingerprint(adapter: Path, found: str) -> None:
    """Put the record beside an adapter's files.

    Raises:
        OSError: it could not be written.
    """
    (adapter / RECORD).write_text(json.dumps({_KEY: found}) + "\n", "utf-8")


def read_fingerprint(adapter: Path) -> str | None:
    """Of the weights that an adapter was trained on; None when nobody wrote it down.

    Raises:
        ConfigError: there is a record, and it cannot be read.
    """
    file = adapter / RECORD
    try:
        return str(json.loads(file.read_text("utf-8"))[_KEY])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ConfigError(f"{file} cannot be read: {problem!r}") from problem


def refuse_foreign(adapter: Path, weights: Mapping[str, Any], where: str) -> None:
    """Refuse to put an adapter on other weights than it was trained on.

    Args:
        adapter: its directory.
        weights: as `fingerprint` takes them.
        where: how the weights are called in the message.

    Raises:
        ConfigError: these are others.
    """
    wanted = read_fingerprint(adapter)
    if wanted is None:
        return
    found = fingerprint(weights)
    if found != wanted:
        raise ConfigError(
            f"the adapter {adapter} was trained on other weights than those of {where} (fingerprint {wanted[:12]}, "
            f"found {found[:12]}): on these it would say something else; put back the right ones"
        )
