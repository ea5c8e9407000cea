"""Ending, stopping, slowing and limiting processes outside."""

from hostile.record import Attack


def _attack(name: str, aim: str, code: str, won: str = "bystander_touched", needs: str = "") -> Attack:
    return Attack(name=name, family="signals", aim=aim, code=code, won=won, needs=needs)


SIGNALS = (
    _attack("killed", "kill a process outside", "os.kill(<<bystander>>, 9)"),
    _attack("stopped", "stop a process outside", "os.kill(<<bystander>>, signal.SIGSTOP)"),
    _attack("group_killed", "kill a process group outside", "os.killpg(<<bystander>>, 15)"),
    _attack(
        "killed_by_thread",
        "kill by the number of a thread",
        "call(200, <<bystander>>, 15)",
        needs="x86_64",
    ),
    _attack(
        "killed_by_group_and_thread",
        "kill by the numbers of process and thread",
        "call(234, <<bystander>>, <<bystander>>, 15)",
        needs="x86_64",
    ),
    _attack(
        "killed_with_a_value",
        "queue a signal with a value",
        "what = ctypes.create_string_buffer(struct.pack('iii', 15, 0, -1), 128)\n"
        "call(129, <<bystander>>, 15, ctypes.addressof(what))",
        needs="x86_64",
    ),
    _attack(
        "killed_by_descriptor",
        "signal through a process descriptor",
        "signal.pidfd_send_signal(os.pidfd_open(<<bystander>>), 15)",
    ),
    _attack(
        "killed_by_input",
        "have the kernel signal it when a pipe is written",
        "import fcntl\none, other = socket.socketpair()\nfcntl.fcntl(one, fcntl.F_SETOWN, <<bystander>>)\n"
        "fcntl.fcntl(one, 10, 15)\nfcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)\nother.send(b'x')",
    ),
    _attack(
        "limited",
        "give it no more processor time",
        "resource.prlimit(<<bystander>>, resource.RLIMIT_CPU, (1, 1))",
    ),
    _attack(
        "denied_files",
        "let it open no more files",
        "resource.prlimit(<<bystander>>, resource.RLIMIT_NOFILE, (3, 3))",
    ),
    _attack("niced", "make it wait for all others", "os.setpriority(os.PRIO_PROCESS, <<bystander>>, 19)"),
    _attack(
        "all_niced",
        "make everything of its user wait",
        "<<bystander>>; os.setpriority(os.PRIO_USER, os.getuid(), 19)",
    ),
    _attack(
        "pinned",
        "tie it to one processor",
        "os.sched_setaffinity(<<bystander>>, {min(os.sched_getaffinity(0))})",
    ),
    _attack(
        "idled",
        "let it run only when nothing else does",
        "os.sched_setscheduler(<<bystander>>, os.SCHED_IDLE, os.sched_param(0))",
    ),
    _attack(
        "idled_with_attributes",
        "the same by the newer call",
        "call(314, <<bystander>>, struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0), 0)",
        needs="x86_64",
    ),
    _attack(
        "starved_of_disk",
        "let it read only when the disk is idle",
        "call(251, 1, <<bystander>>, 3 << 13)",
        needs="x86_64",
    ),
    _attack(
        "first_to_go",
        "make it the first to be ended when memory is short",
        "open('/proc/<<bystander>>/oom_score_adj', 'w').write('1000')",
    ),
    _attack("sibling_killed", "kill a sibling session", "os.kill(<<sibling>>, 9)", won="sibling_dead"),
    _attack("sibling_stopped", "stop a sibling session", "os.kill(<<sibling>>, 19)", won="sibling_dead"),
    _attack("zygote_killed", "kill the zygote it came from", "os.kill(<<zygote>>, 9)", won="zygote_touched"),
    _attack("zygote_stopped", "stop the zygote it came from", "os.kill(<<zygote>>, 19)", won="zygote_touched"),
    _attack("guardian_killed", "kill the guardian of all sessions", "os.kill(<<guardian>>, 9)", won="zygote_touched"),
    _attack(
        "parent_killed",
        "kill whoever is its parent",
        "<<zygote>>; os.kill(os.getppid(), 9)",
        won="zygote_touched",
    ),
    _attack(
        "everything_killed",
        "kill every process that may be killed",
        "<<bystander>>; os.kill(-1, 15)",
        needs="a user of its own",
    ),
)
