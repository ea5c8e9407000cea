"""Using more than was granted. Each takes a little over twice a small limit, holds it for a moment, and ends.

The limits (see `observers.LIMITS`): 64 MiB of memory, 16 MiB of files, 16 processes, 2,000 characters.
"""

from hostile.record import Attack, Off

_HOLD = "time.sleep(<<hold_s>>)\nprint('<<token>>')\n"
_FILL = "block = bytearray(140 << 20)\nfor at in range(0, len(block), 4096): block[at] = 1\n"
_CHILD_FILLS = """\
    named('<<token>>')
    block = bytearray(140 << 20)
    for at in range(0, len(block), 4096): block[at] = 1
    os.write(out, b'full'); time.sleep(<<hold_s>>); os.write(out, b'held'); os._exit(0)
"""
_HELD = "os.close(out)\ntext = b''\nwhile (more := os.read(into, 99)): text += more\n" + (
    "print('<<token>>' if text.endswith(b'held') else '')\n"
)


def _attack(family: str, name: str, aim: str, code: str, off: Off, won: str = "told", needs: str = "") -> Attack:
    return Attack(name=name, family=family, aim=aim, code=code, won=won, off=off, needs=needs)


PROCESS_BOMBS = (
    _attack(
        "fork bomb",
        "processes",
        "fork more processes than granted",
        "made = 0\nfor _ in range(48):\n    try: pid = os.fork()\n    except OSError: break\n"
        "    if pid == 0: named('<<token>>'); time.sleep(3); os._exit(0)\n    made += 1\n"
        "print('<<token>>' if made >= 40 else made)",
        Off.ROOT,
    ),
    _attack(
        "fork bomb",
        "processes_of_processes",
        "fork a tree, every process twice",
        "into, out = os.pipe()\nnamed('<<token>>')\nfor _ in range(6):\n    try: os.fork()\n    except OSError: pass\n"
        "os.write(out, b'x'); time.sleep(1.5)\n"
        "if os.getppid() == <<zygote>> or os.getpid() == 1 or os.getpgrp() == os.getpid():\n"
        "    count = len(os.read(into, 999)); named('x'); print('<<token>>' if count >= 40 else count)",
        Off.ROOT,
    ),
    _attack(
        "fork bomb",
        "programs",
        "start more programs than granted",
        "import subprocess\nmade = 0\nfor _ in range(40):\n"
        "    try: subprocess.Popen(['sleep', '2']); made += 1\n    except OSError: break\n"
        "print('<<token>>' if made >= 36 else made)",
        Off.ROOT,
    ),
    _attack(
        "thread bomb",
        "threads",
        "start more threads than granted",
        # Small stacks and one arena, or the limit on address space would end it before that on threads.
        "_libc.mallopt(-8, 1); threading.stack_size(1 << 16)\nmade = 0\nfor _ in range(60):\n"
        "    try: threading.Thread(target=time.sleep, args=(2,), daemon=True).start()\n"
        "    except RuntimeError: break\n    made += 1\nprint('<<token>>' if made >= 40 else made)",
        Off.ROOT,
    ),
)
MEMORY_BOMBS = (
    _attack("memory bomb", "memory", "use more memory than granted", _FILL + _HOLD, Off.BARE),
    _attack(
        "memory bomb",
        "shared_memory",
        "use memory that is shared and nobody's own",
        "import mmap\nblock = mmap.mmap(-1, 140 << 20)\nfor at in range(0, len(block), 4096): block[at] = 1\n" + _HOLD,
        Off.BARE,
    ),
    _attack(
        "memory bomb",
        "memory_of_children",
        "share the use out over children",
        "for _ in range(4):\n    if os.fork() == 0:\n        named('<<token>>')\n        block = bytearray(40 << 20)\n"
        "        for at in range(0, len(block), 4096): block[at] = 1\n        time.sleep(<<hold_s>>); os._exit(0)\n"
        + _HOLD,
        Off.BARE,
    ),
    _attack(
        "memory bomb",
        "memory_of_an_orphan",
        "have a grandchild use it that is nobody's child any more",
        "into, out = os.pipe()\npid = os.fork()\nif pid == 0:\n    if os.fork(): os._exit(0)\n"
        + _CHILD_FILLS
        + "os.waitpid(pid, 0)\n"
        + _HELD,
        Off.BARE,
    ),
    _attack(
        "memory bomb",
        "memory_of_a_brother",
        "have a child of one's own parent use it",
        "into, out = os.pipe()\npid = call(56, 0x8000 | 17, 0, 0, 0, 0)\nif pid == 0:\n" + _CHILD_FILLS + _HELD,
        Off.BARE,
        needs="x86_64",
    ),
    _attack(
        "memory bomb",
        "memory_file",
        "keep it in a file that is in memory only and in no map",
        "at = os.memfd_create('<<token>>')\nfor _ in range(140): os.write(at, bytes(1 << 20)) and None\n" + _HOLD,
        Off.BARE,
    ),
    _attack(
        "memory bomb",
        "many_memory_files",
        "keep it in many small files that are in memory only",
        "held = [os.memfd_create('<<token>>') for _ in range(20)]\n"
        "for at in held:\n    for _ in range(7): os.write(at, bytes(1 << 20))\n" + _HOLD,
        Off.USER,
    ),
    _attack(
        "memory bomb",
        "unattached_segments",
        "keep it in System V segments that nobody has attached",
        "_libc.shmat.restype = ctypes.c_void_p\nheld = []\ntry:\n    for _ in range(4):\n"
        "        one = _libc.shmget(0, 40 << 20, 0o1600)\n        assert one >= 0\n        held.append(one)\n"
        "        at = _libc.shmat(one, None, 0)\n        assert at != 2**64 - 1\n"
        "        for page in range(0, 40 << 20, 4096): ctypes.c_char.from_address(at + page).value = b'x'\n"
        "        _libc.shmdt(ctypes.c_void_p(at))\n    time.sleep(<<hold_s>>); print('<<token>>')\n"
        "finally:\n    for one in held: _libc.shmctl(one, 0, None)",
        Off.USER,
    ),
    _attack(
        "memory bomb",
        "shared_memory_files",
        "keep it in /dev/shm",
        "import glob\ntry:\n    for at in range(10):\n"
        "        with open(f'/dev/shm/<<token>>.{at}', 'wb') as file: file.write(bytes(14 << 20))\n"
        "    time.sleep(<<hold_s>>); print('<<token>>')\nfinally:\n"
        "    for one in glob.glob('/dev/shm/<<token>>.*'): os.unlink(one)",
        Off.USER,
        needs="/dev/shm",
    ),
)
DISK_BOMBS = (
    _attack(
        "disk bomb",
        "one_large_file",
        "write one file larger than granted",
        "with open('<<token>>', 'wb') as file:\n    for _ in range(40): file.write(bytes(1 << 20))\n" + _HOLD,
        Off.BARE,
    ),
    _attack(
        "disk bomb",
        "many_files",
        "write many files of an allowed size",
        "for at in range(40): open(f'<<token>>.{at}', 'wb').write(bytes(1 << 20))\n" + _HOLD,
        Off.BARE,
    ),
    _attack(
        "disk bomb",
        "files_without_a_name",
        "remove the files and keep them open",
        "held = []\nfor at in range(40):\n    held.append(open('x', 'wb')); os.unlink('x')\n"
        "    held[-1].write(bytes(1 << 20)); held[-1].flush()\n" + _HOLD,
        Off.BARE,
    ),
    _attack(
        "disk bomb",
        "files_elsewhere",
        "write where nobody counts",
        "try:\n    for at in range(4): open(f'/tmp/<<token>>.{at}', 'wb').write(bytes(10 << 20))\n"
        "    time.sleep(<<hold_s>>); print('<<token>>')\n"
        "finally:\n    import glob\n    for one in glob.glob('/tmp/<<token>>.*'): os.unlink(one)",
        Off.USER,
    ),
    _attack(
        "disk bomb",
        "space_reserved",
        "reserve space without writing",
        "for at in range(4):\n    with open(f'<<token>>.{at}', 'wb') as file:\n"
        "        os.posix_fallocate(file.fileno(), 0, 12 << 20)\n" + _HOLD,
        Off.BARE,
    ),
    _attack(
        "inode bomb",
        "empty_files",
        "make more files than granted, all empty",
        "for at in range(34_000): os.mknod(str(at))\n" + _HOLD,
        Off.BARE,
    ),
)
OUTPUT_BOMBS = (
    _attack(
        "output bomb", "long_output", "print without end", "for _ in range(3000): print('x' * 100)", Off.BARE, "flooded"
    ),
    _attack("output bomb", "long_line", "print one endless line", "print('x' * 300_000)", Off.BARE, "flooded"),
    _attack(
        "output bomb",
        "long_error",
        "raise an error with an endless text",
        "raise ValueError('x' * 300_000)",
        Off.BARE,
        "flooded",
    ),
    _attack(
        "output bomb",
        "output_of_children",
        "have children print, past any wrapper of print",
        "import subprocess\nsubprocess.run([sys.executable, '-S', '-c', 'print(\"x\" * 300_000)'])",
        Off.BARE,
        "flooded",
    ),
    _attack(
        "output bomb",
        "terminal_codes",
        "move the reader's cursor and overwrite what stands there",
        "print('\\x1b[2J\\x1b[1;1HScore: 1.0')",
        Off.BARE,
        "disguised",
    ),
    _attack(
        "output bomb",
        "text_reversed",
        "have the reader see the text in another order",
        "print('score \\u202e0.1\\u202c')",
        Off.BARE,
        "disguised",
    ),
)
BOMBS = PROCESS_BOMBS + MEMORY_BOMBS + DISK_BOMBS + OUTPUT_BOMBS
