"""How untrusted code is kept in: one module per mechanism, standard library only.

A process that is to run untrusted code calls `guard` once, while it has one thread, and then
`seal`. What lies between the two (imports, warming up) runs with the interpreter's files only.
"""

from sandmle.plugins.sandboxes.isolation.guard import MEMORY_EXIT, guard
from sandmle.plugins.sandboxes.isolation.room import (
    Plan,
    Profile,
    Room,
    interpreter_paths,
    missing_walls,
    plans,
    session_uid,
)
from sandmle.plugins.sandboxes.isolation.seal import prepare, seal

__all__ = [
    "MEMORY_EXIT",
    "Plan",
    "Profile",
    "Room",
    "guard",
    "interpreter_paths",
    "missing_walls",
    "plans",
    "prepare",
    "seal",
    "session_uid",
]
