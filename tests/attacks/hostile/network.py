"""Calling out, and being called."""

from hostile.record import Attack


def _attack(name: str, aim: str, code: str, won: str = "reached", needs: str = "") -> Attack:
    return Attack(name=name, family="network", aim=aim, code=code, won=won, needs=needs)


NETWORK = (
    _attack("tcp", "call a server on this machine", "socket.create_connection(('127.0.0.1', <<tcp>>), 2)"),
    _attack("tcp6", "call it by IPv6", "socket.create_connection(('::1', <<tcp6>>), 2)", needs="IPv6"),
    _attack(
        "udp",
        "send a datagram",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'<<token>>', ('127.0.0.1', <<udp>>))",
    ),
    _attack(
        "tcp_without_connect",
        "call by sending at once (fast open), which is no connect",
        "socket.socket().sendto(b'<<token>>', 0x20000000, ('127.0.0.1', <<tcp>>))",
    ),
    _attack(
        "multipath_tcp",
        "call by a kind of TCP that few filters know",
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', <<tcp>>))",
        needs="MPTCP",
    ),
    _attack(
        "by_a_program",
        "have another program call",
        "import subprocess\nsubprocess.run([sys.executable, '-S', '-c', "
        "'import socket; socket.create_connection((\"127.0.0.1\", <<tcp>>), 2)'])",
    ),
    _attack(
        "back_door",
        "listen, and wait to be called",
        "door = socket.socket(); door.bind(('127.0.0.1', <<free_port>>)); door.listen()",
        won="back_door",
    ),
    _attack(
        "unix_stream",
        "call a server by its socket file",
        "socket.socket(socket.AF_UNIX).connect('<<unix_stream>>')",
    ),
    _attack(
        "unix_datagram",
        "send to a socket file, as to a system log",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'<<token>>', '<<unix_datagram>>')",
    ),
    _attack(
        "unix_abstract",
        "call a server that has a name and no file",
        "socket.socket(socket.AF_UNIX).connect('\\0<<abstract>>')",
    ),
    _attack(
        "pair_readdressed",
        "send one end of an innocent pair elsewhere",
        "one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\none.sendto(b'<<token>>', '<<unix_datagram>>')",
    ),
    _attack(
        "netlink",
        "ask the kernel about the machine's network",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 0)); print('<<token>>')",
        won="told",
    ),
    _attack(
        "vsock",
        "reach for the machine that this one runs on",
        "socket.socket(40, socket.SOCK_STREAM); print('<<token>>')",
        won="told",
        needs="AF_VSOCK",
    ),
)
