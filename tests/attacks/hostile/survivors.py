"""Outliving the session. Each ends by itself within seconds."""

from hostile.record import Attack

_CHILD = "named('<<token>>')\n    for _ in range(80): time.sleep(0.1)\n    os._exit(0)\n"


def _attack(name: str, aim: str, code: str, won: str = "survived", needs: str = "") -> Attack:
    return Attack(name=name, family="survivors", aim=aim, code=code, won=won, needs=needs)


SURVIVORS = (
    _attack(
        "daemon",
        "leave as a daemon does: fork, new session, fork",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    " + _CHILD + "time.sleep(0.3)",
    ),
    _attack(
        "own_group",
        "leave the process group only",
        "if os.fork() == 0:\n    os.setpgid(0, 0)\n    " + _CHILD + "time.sleep(0.2)",
    ),
    _attack(
        "group_made_by_parent",
        "have the parent move its child to another group",
        "pid = os.fork()\nif pid == 0:\n    " + _CHILD + "os.setpgid(pid, pid)\ntime.sleep(0.2)",
    ),
    _attack(
        "another_program",
        "start another program in a session of its own",
        "import subprocess\nsubprocess.Popen([sys.executable, '-S', '-c', 'import ctypes, time\\n"
        'ctypes.CDLL(None).prctl(15, b"<<token>>", 0, 0, 0)\\ntime.sleep(8)\'], start_new_session=True)\n'
        "time.sleep(0.5)",
    ),
    _attack(
        "brother",
        "fork a child of one's own parent, in a session of its own",
        "pid = call(56, 0x8000 | 17, 0, 0, 0, 0)\nif pid == 0:\n    os.setsid()\n    " + _CHILD + "time.sleep(0.2)",
        needs="x86_64",
    ),
    _attack(
        "relay",
        "be a new process in a new session every few milliseconds",
        # Where nobody collects orphans they fill up the user's processes: one that may not fork stays until it may.
        "if os.fork() == 0:\n    named('<<token>>')\n    until = time.monotonic() + 5\n    os.setsid()\n"
        "    while time.monotonic() < until:\n        try:\n            if os.fork(): os._exit(0)\n"
        "            os.setsid()\n        except OSError: pass\n        time.sleep(0.01)\n    os._exit(0)\n"
        "time.sleep(0.2)",
    ),
    _attack(
        "thread_of_a_daemon",
        "leave a daemon whose first thread has ended",
        "if os.fork() == 0:\n    os.setsid()\n    def stay():\n        named('<<token>>')\n        time.sleep(6)\n"
        "    threading.Thread(target=stay).start()\n    named('<<token>>')\n    _libc.syscall(60, 0)\ntime.sleep(0.3)",
        needs="x86_64",
    ),
    _attack(
        "deaf_to_its_parents_death",
        "forget whose death it shall follow",
        "assert _libc.prctl(1, 0, 0, 0, 0) == 0; print('<<token>>')",
        won="told",
    ),
    _attack(
        "foster_parent",
        "collect orphans oneself, and give them a session",
        "assert _libc.prctl(36, 1, 0, 0, 0) == 0\nif os.fork() == 0:\n"
        "    if os.fork(): os._exit(0)\n    os.setsid()\n    " + _CHILD + "time.sleep(0.2)",
    ),
)
