"""Answers requests in the peer's interpreter, one JSON object a line. Not imported: run there by `process.py`.

Standard library only, and nothing newer than Python 3.9: the peer's interpreter may be another than ours.
"""

import builtins
import json
import os
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

MESSAGE_CHARS = 2000


def serve(handlers: Mapping[str, Callable[..., Any]], memory_mb: int) -> None:
    """Answer until the requests end. Nothing that a library prints reaches the reply channel.

    Args:
        handlers: operation name to function of keyword arguments, whose result JSON can hold.
        memory_mb: address space of this process, in MiB; 0 sets no limit.
    """
    requests, replies = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    builtins.input = refuse_to_ask
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_mb:
        limit = memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in requests:
        request = json.loads(line)
        reply = answer(handlers[request.pop("op")], request)
        replies.write(json.dumps(reply, default=plain) + "\n")
        replies.flush()


def answer(handler: Callable[..., Any], arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result, or what was raised: whose fault that is, is for the caller to say."""
    try:
        return {"result": handler(**arguments)}
    except MemoryError:
        # As good as dead: the caller finds out whether the submission or the machine is at fault.
        os._exit(1)
    # A boundary between two programs: whatever the peer's code raises is a reply.
    except (Exception, SystemExit) as problem:  # noqa: BLE001
        return {"error": {"type": type(problem).__name__, "message": str(problem)[:MESSAGE_CHARS]}}


def plain(value: Any) -> Any:
    """Numbers of numpy, paths and moments as JSON has them."""
    for name in ("item", "isoformat"):
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)


def refuse_to_ask(prompt: object = "", /) -> NoReturn:
    """There is nobody to answer."""
    raise RuntimeError(f"it asked: {prompt}, and nobody is there to answer")
