"""Meeting places that have a name: shared memory, queues, locks, keys, terminals."""

from hostile.record import Attack


def _attack(name: str, aim: str, code: str, won: str = "secret", needs: str = "x86_64") -> Attack:
    return Attack(name=name, family="IPC", aim=aim, code=code, won=won, needs=needs)


IPC = (
    _attack(
        "segment_read",
        "read a System V segment of the host's",
        "_libc.shmat.restype = ctypes.c_void_p\nat = _libc.shmat(<<segment>>, None, 0o10000)\n"
        "print(ctypes.string_at(at).decode() if at != 2**64 - 1 else '')",
    ),
    _attack(
        "segment_removed",
        "remove the host's segment",
        "call(31, <<empty_segment>>, 0, 0)",
        won="ipc_changed",
    ),
    _attack(
        "message_stolen",
        "take a message out of the host's queue",
        "room = ctypes.create_string_buffer(200)\n"
        "call(70, <<message>>, ctypes.addressof(room), 190, 0, 0o4000); print(room.raw[8:].decode())",
    ),
    _attack(
        "message_forged",
        "put a message into the host's queue",
        "text = struct.pack('q', 1) + b'<<token>>'\n_libc.msgsnd(<<queue>>, text, 13, 0o4000)",
        won="ipc_changed",
    ),
    _attack(
        "semaphore_set",
        "set the host's semaphore",
        "call(66, <<semaphore>>, 0, 16, 7)",
        won="ipc_changed",
    ),
    _attack(
        "semaphore_raised",
        "raise the host's semaphore by an operation",
        "one = struct.pack('Hhh', 0, 3, 0o4000); call(65, <<semaphore>>, one, 1)",
        won="ipc_changed",
    ),
    _attack(
        "posix_queue_read",
        "read a POSIX queue of the host's",
        "lib = ctypes.CDLL('librt.so.1')\nat = lib.mq_open(b'<<posix_queue>>', os.O_RDONLY | os.O_NONBLOCK)\n"
        "room = ctypes.create_string_buffer(9000)\nlib.mq_receive(at, room, 9000, None)\nprint(room.value.decode())",
    ),
    _attack(
        "posix_queue_removed",
        "remove the host's POSIX queue",
        "call(241, b'<<posix_queue>>'[1:])",
        won="posix_queue_gone",
    ),
    _attack(
        "shared_memory_read",
        "read POSIX shared memory of the host's",
        "print(open('<<shared_memory>>').read())",
        needs="/dev/shm",
    ),
    _attack(
        "note_in_shared_memory",
        "leave a note for later sessions in shared memory",
        "open('<<new_shared_memory>>', 'w').write('the answers are ...')",
        won="left_behind",
        needs="/dev/shm",
    ),
    _attack(
        "note_in_temporary_files",
        "leave a note for later sessions among temporary files",
        "open('<<new_temporary>>', 'w').write('the answers are ...')",
        won="left_behind",
    ),
    _attack(
        "note_in_keyring",
        "leave a note for later sessions in the kernel's keyring",
        "call(248, b'user', b'<<new_key>>', b'x', 1, -4)",
        won="key_left",
        needs="a keyring",
    ),
    _attack(
        "note_as_a_link",
        "leave a note as the target of a link",
        "os.symlink('the answers are ...', '<<new_temporary>>')",
        won="left_behind",
    ),
    _attack(
        "pipe_written",
        "write into a pipe that the host reads",
        "os.write(os.open('<<pipe>>', os.O_WRONLY | os.O_NONBLOCK), b'<<token>>')",
        won="came_through",
    ),
    _attack(
        "terminal_written",
        "write on the host's terminal",
        "os.write(os.open('<<terminal>>', os.O_WRONLY | os.O_NOCTTY), b'<<token>>')",
        won="came_through",
        needs="pseudo-terminals",
    ),
    _attack(
        "lock_taken",
        "take the host's lock and keep it",
        "import fcntl\nheld = open('<<lock>>')\nfcntl.flock(held, fcntl.LOCK_EX)",
        won="locked",
    ),
)
