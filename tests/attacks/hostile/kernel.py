"""Kernel surfaces: calls that analysis of data has no use for and that have let programs out before."""

from hostile.record import Attack


def _attack(name: str, aim: str, code: str, needs: str = "x86_64") -> Attack:
    code += "\nprint('<<token>>')"
    return Attack(name=name, family="kernel surfaces", aim=aim, code=code, won="told", needs=needs)


_BY_32_BIT_CALL = """
import mmap
room = mmap.mmap(-1, 4096, prot=7)
# mov eax, 20 (getpid); int 0x80; ret
room.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
at = ctypes.addressof(ctypes.c_char.from_buffer(room))
assert ctypes.CFUNCTYPE(ctypes.c_int)(at)() == os.getpid()
"""

KERNEL = (
    _attack("user_namespace", "become root in a namespace of its own", "call(272, 0x10000000)", "user namespaces"),
    _attack(
        "namespace_by_clone",
        "fork into a new user namespace",
        "pid = call(56, 0x10000000 | 17, 0, 0, 0, 0)\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)",
        "user namespaces",
    ),
    _attack(
        "namespace_by_clone3",
        "the same by the newer call, whose flags no filter sees",
        "what = struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0)\npid = call(435, what, 64)\n"
        "if pid == 0: os._exit(0)\nos.waitpid(pid, 0)",
        "user namespaces",
    ),
    _attack(
        "mount_in_a_namespace",
        "mount a file system over what is there",
        "call(272, 0x10020000); call(165, b'none', b'/tmp', b'tmpfs', 0, None)",
        "user namespaces",
    ),
    _attack(
        "chroot_in_a_namespace",
        "change the root and walk out of it",
        "call(272, 0x10000000); call(161, b'.')",
        "user namespaces",
    ),
    _attack(
        "io_uring",
        "have the kernel make calls that no filter sees",
        "call(425, 4, ctypes.create_string_buffer(256))",
        "io_uring",
    ),
    _attack("userfaultfd", "stop the kernel in the middle of a copy", "call(323, 1)", "userfaultfd"),
    _attack(
        "perf_event",
        "count events of the processor",
        "what = ctypes.create_string_buffer(112)\nstruct.pack_into('IIQQQQQ', what, 0, 1, 112, 1, 0, 0, 0, 0x60)\n"
        "call(298, ctypes.addressof(what), 0, -1, -1, 0)",
        "perf events",
    ),
    _attack(
        "bpf",
        "load a program into the kernel",
        "call(321, 0, struct.pack('IIII', 1, 4, 4, 1), 16)",
        "unprivileged bpf",
    ),
    _attack("keyring_made", "make a keyring", "call(248, b'keyring', b'<<new_key>>', 0, 0, -3)", "a keyring"),
    _attack("key_requested", "have the kernel look for a key", "call(250, 0, -3, 1)", "a keyring"),
    _attack("personality", "switch off the random layout of memory", "call(135, 0x0040000)"),
    _attack(
        "program_without_a_file",
        "run a program that lies in memory only",
        "at = os.memfd_create('x', 0)\nos.write(at, open('/bin/true', 'rb').read())\npid = os.fork()\n"
        "if pid == 0: os.execve(at, ['x'], {})\nassert os.waitpid(pid, 0)[1] == 0",
    ),
    _attack("memfd_secret", "use memory that not even the kernel sees", "call(447, 0)", "memfd_secret"),
    _attack("crypto_socket", "speak to the kernel's cryptography", "socket.socket(38, 5, 0)", "AF_ALG"),
    _attack(
        "traced_child",
        "trace a child of its own",
        "pid = os.fork()\nif pid == 0:\n    _libc.ptrace(0, 0, 0, 0); os.kill(os.getpid(), 19); os._exit(0)\n"
        "_, status = os.waitpid(pid, 2)\nassert os.WIFSTOPPED(status)\nassert _libc.ptrace(7, pid, 0, 0) == 0",
    ),
    _attack(
        "segments_changed",
        "make segments of its own for the processor",
        "call(154, 1, struct.pack('IIII', 0, 0, 0xfffff, 0x51), 16)",
    ),
    _attack("fanotify", "be told of file events", "call(300, 0x600, 0)"),
    _attack(
        "file_handle",
        "get a file by number and not by name",
        "room = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 136)\nmount = ctypes.c_int()\n"
        "call(303, -100, b'/', ctypes.addressof(room), ctypes.addressof(mount), 0)",
    ),
    _attack("kernel_log", "read the kernel's log", "call(103, 3, ctypes.create_string_buffer(99), 99)", "dmesg"),
    _attack("32_bit_call", "make calls by their other numbers", _BY_32_BIT_CALL),
    _attack("tree_opened", "take hold of a whole mount", "call(428, -100, b'/', 0)"),
    _attack("pidfd_getfd", "copy a descriptor out of a process", "call(438, call(434, os.getpid(), 0), 1, 0)"),
    _attack("segment_made", "make a System V segment", "one = call(29, 0, 4096, 0o1600); call(31, one, 0, 0)"),
    _attack("semaphores_made", "make System V semaphores", "one = call(64, 0, 1, 0o1600); call(66, one, 0, 0, 0)"),
    _attack("queue_made", "make a System V queue", "one = call(68, 0, 0o1600); call(71, one, 0, 0)"),
)
