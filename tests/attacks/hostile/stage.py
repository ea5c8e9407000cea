"""The surroundings of one attack: a host with secrets, neighbours and open doors, made anew each time."""

import contextlib
import ctypes
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandmle.core.contracts.sandbox import SandboxSession

LIBC = ctypes.CDLL(None, use_errno=True)
NAME_IN_CODE = re.compile(r"<<(\w+)>>")


@dataclass(slots=True, kw_only=True)
class Stage:
    """One attack's targets. What is planted is world-readable, so that only the enclosure is tried."""

    place: str
    token: str = field(default_factory=lambda: "T" + secrets.token_hex(6))
    """What an attack prints when it got through; short enough to be a process's name."""
    secret: str = field(default_factory=lambda: "SECRET-" + secrets.token_hex(12))
    """What no attack may ever print."""
    zygote: int = 0
    guardian: int = 0
    directory: Path = field(init=False)
    planted: dict[str, object] = field(default_factory=dict)
    """By name: what an attack is told, or what an observer looks at."""
    doors: list[socket.socket] = field(default_factory=list)
    """Open for whoever gets out."""
    before: list[Callable[[], None]] = field(default_factory=list)
    """Done in a thread while the attack runs."""
    sibling: SandboxSession | None = None
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="attacked-"))
        self.stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        for name in ("public", "private"):
            (self.directory / name).mkdir()
        (self.directory / "public" / "train.csv").write_text("id,y\n1,2\n")
        (self.directory / "private" / "answers.csv").write_text(self.secret + "\n")
        self._open_to_all(self.directory)

    def _open_to_all(self, top: Path) -> None:
        for path in (top, *top.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    @property
    def public(self) -> Path:
        return self.directory / "public"

    @property
    def answers(self) -> Path:
        return self.directory / "private" / "answers.csv"

    def close(self) -> None:
        self.stack.close()

    def filled(self, code: str) -> str:
        """`code` with everything planted that it names."""
        return NAME_IN_CODE.sub(lambda found: str(self.plant(found[1])), code)

    def plant(self, name: str) -> object:
        if name not in self.planted:
            self.planted[name] = PLANTERS[name](self)
        return self.planted[name]

    def fd(self, number: int) -> int:
        self.stack.callback(os.close, number)
        return number


def _bystander(stage: Stage) -> int:
    process = subprocess.Popen(
        # It ends by itself when its input ends, however suddenly the host does.
        ["/bin/sh", "-c", "read line", stage.secret],
        stdin=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "API_KEY": stage.secret},
        cwd=stage.directory,
        start_new_session=True,
    )

    def end() -> None:
        process.kill()
        process.wait()
        process.stdin.close()

    stage.stack.callback(end)
    stage.planted["process"] = process
    deadline = time.monotonic() + 10
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"/bin/sh") and time.monotonic() < deadline:
        time.sleep(0.001)
    return process.pid


def _key(stage: Stage) -> int:
    held = stage.planted["key"] = ctypes.create_string_buffer(stage.secret.encode())
    return ctypes.addressof(held)


def _server(stage: Stage, family: int, kind: int, address: object) -> socket.socket:
    door = stage.stack.enter_context(socket.socket(family, kind))
    door.bind(address)
    if kind == socket.SOCK_STREAM:
        door.listen()
    door.setblocking(False)
    if isinstance(address, str) and not address.startswith("\0"):
        os.chmod(address, 0o777)
    stage.doors.append(door)
    return door


def _free_port(stage: Stage) -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _named_socket(kind: int) -> Callable[[Stage], str]:
    def plant(stage: Stage) -> str:
        path = str(stage.directory / f"door{int(kind)}")
        _server(stage, socket.AF_UNIX, kind, path)
        return path

    return plant


def _abstract(stage: Stage) -> str:
    _server(stage, socket.AF_UNIX, socket.SOCK_STREAM, f"\0{stage.token}")
    return stage.token


def _system_v(make: Callable[[int], int], remove: Callable[[int], object]) -> Callable[[Stage], int]:
    def plant(stage: Stage) -> int:
        number = make(secrets.randbelow(2**30) + 1)
        if number < 0:
            raise OSError(ctypes.get_errno(), "System V IPC")
        stage.stack.callback(remove, number)
        return number

    return plant


def _segment(key: int) -> int:
    return LIBC.shmget(key, 4096, 0o1666)


def _written_segment(stage: Stage) -> int:
    number = stage.plant("empty_segment")
    LIBC.shmat.restype = ctypes.c_void_p
    at = LIBC.shmat(number, None, 0)
    ctypes.memmove(at, stage.secret.encode() + b"\0", len(stage.secret) + 1)
    LIBC.shmdt(ctypes.c_void_p(at))
    return number


def _message(stage: Stage) -> int:
    number = stage.plant("queue")
    text = stage.secret.encode()
    LIBC.msgsnd(number, (1).to_bytes(8, "little") + text, len(text), 0)
    return number


def _posix_queue(stage: Stage) -> str:
    name = f"/{stage.token}"
    library = ctypes.CDLL("librt.so.1", use_errno=True)
    number = library.mq_open(name.encode(), os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o666, None)
    if number < 0:
        raise OSError(ctypes.get_errno(), "mq_open")
    stage.fd(number)
    stage.stack.callback(library.mq_unlink, name.encode())
    library.mq_send(number, stage.secret.encode(), len(stage.secret), 0)
    return name


def _shared_memory(stage: Stage) -> str:
    path = f"/dev/shm/{stage.token}"
    stage.stack.callback(_gone, path)
    Path(path).write_text(stage.secret)
    os.chmod(path, 0o666)
    return path


def _gone(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _outside(folder: str) -> Callable[[Stage], str]:
    """A path where nothing is yet, and nothing may be afterwards."""

    def plant(stage: Stage) -> str:
        path = f"{folder}/{stage.token}"
        stage.stack.callback(_gone, path)
        stage.planted["left"] = path
        return path

    return plant


def _pipe_by_name(stage: Stage) -> str:
    path = str(stage.directory / "pipe")
    os.mkfifo(path)
    os.chmod(path, 0o666)
    stage.planted["mouth"] = stage.fd(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    return path


def _terminal(stage: Stage) -> str:
    master, slave = os.openpty()
    stage.planted["mouth"] = stage.fd(master)
    stage.fd(slave)
    os.set_blocking(master, False)
    path = os.ttyname(slave)
    os.chmod(path, 0o666)
    return path


def _lock(stage: Stage) -> str:
    path = stage.directory / "lock"
    path.write_text("")
    path.chmod(0o666)
    return str(path)


def _library(stage: Stage) -> str:
    """A module that the host's user may write, in a folder of installed packages."""
    path = os.environ["ATTACKED_LIBRARY"]
    (Path(path) / "shared_helper.py").write_text("def answer():\n    return 42\n")
    return path


def _settings_file(stage: Stage) -> Path:
    path = stage.directory / ".env"
    path.write_text(f"API_KEY={stage.secret}\n")
    path.chmod(0o644)
    return path


def _user_key(stage: Stage) -> str:
    text = stage.secret.encode()
    number = LIBC.syscall(ctypes.c_long(248), b"user", stage.token.encode(), text, len(text), ctypes.c_long(-4))
    if number < 0:
        raise OSError(ctypes.get_errno(), "add_key")
    stage.stack.callback(LIBC.syscall, ctypes.c_long(250), ctypes.c_long(3), ctypes.c_long(number))
    return stage.token


def _renamer(stage: Stage) -> str:
    """A folder in which the host makes a file of a telling name while the attack runs."""
    folder = stage.directory / "private"

    def work() -> None:
        for number in range(20):
            time.sleep(0.02)
            path = folder / f"{stage.secret}.{number}"
            path.write_text("")
            path.unlink()

    stage.before.append(work)
    return str(folder)


PLANTERS: dict[str, Callable[[Stage], object]] = {
    "token": lambda stage: stage.token,
    # Where a watchdog has to notice, it is given time; where there is none, there is no point in waiting.
    "hold_s": lambda stage: 0.3 if stage.place in ("L0", "bare") else 20,
    "answers": lambda stage: stage.answers,
    "private": lambda stage: stage.answers.parent,
    "directory": lambda stage: stage.directory,
    "host": lambda _: os.getpid(),
    "zygote": lambda stage: stage.zygote,
    "guardian": lambda stage: stage.guardian,
    "key_address": _key,
    "secret_length": lambda stage: len(stage.secret),
    "answers_fd": lambda stage: stage.fd(os.open(stage.answers, os.O_RDONLY)),
    "bystander": _bystander,
    "settings_file": _settings_file,
    "tcp": lambda stage: _server(stage, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)).getsockname()[1],
    "tcp6": lambda stage: _server(stage, socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)).getsockname()[1],
    "udp": lambda stage: _server(stage, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)).getsockname()[1],
    "unix_stream": _named_socket(socket.SOCK_STREAM),
    "unix_datagram": _named_socket(socket.SOCK_DGRAM),
    "abstract": _abstract,
    "free_port": _free_port,
    "empty_segment": _system_v(_segment, lambda number: LIBC.shmctl(number, 0, None)),
    "segment": _written_segment,
    "queue": _system_v(lambda key: LIBC.msgget(key, 0o1666), lambda number: LIBC.msgctl(number, 0, None)),
    "message": _message,
    "semaphore": _system_v(lambda key: LIBC.semget(key, 1, 0o1666), lambda number: LIBC.semctl(number, 0, 0)),
    "posix_queue": _posix_queue,
    "shared_memory": _shared_memory,
    "new_shared_memory": _outside("/dev/shm"),
    "new_temporary": _outside("/tmp"),
    "pipe": _pipe_by_name,
    "terminal": _terminal,
    "lock": _lock,
    "library": _library,
    "user_key": _user_key,
    "new_key": lambda stage: stage.token,
    "renamer": _renamer,
}
"""What an attack may name, made when it does."""


def processes_named(name: str) -> Iterator[int]:
    """Living processes of this machine that gave themselves this name."""
    wanted = f"({name})".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                start, _, rest = file.read().rpartition(b")")
                # A process whose first thread has ended looks dead and is not.
                dead = rest.split()[0] in b"ZX" and len(os.listdir(f"/proc/{entry}/task")) < 2
                if (start + b")").endswith(wanted) and not dead:
                    yield int(entry)
