"""The hostile cells of the sandbox suite. Doubled braces and fields are for `str.format`."""

from typing import Final

SPY: Final = """
import glob, os
tries = {places!r}
for place in tries + glob.glob('/proc/[0-9]*/cwd/*') + glob.glob('/proc/[0-9]*/fd/*'):
    for path in (place, '/proc/self/root' + place, '/proc/1/root' + place):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                print(os.read(fd, 1000))
            finally:
                os.close(fd)
        except OSError:
            pass
    try:
        print(os.listdir(os.path.dirname(place)))
    except OSError:
        pass
    try:
        os.symlink(place, 'way')
        fd = os.open('way', os.O_RDONLY | os.O_NONBLOCK)
        try:
            print(os.read(fd, 1000))
        finally:
            os.close(fd)
    except OSError:
        pass
    finally:
        if os.path.islink('way'):
            os.unlink('way')
"""
"""Read every path of `places` in several ways, and what other processes have open."""

STRANGE_FILES: Final = """
import os
open('plain.bin', 'wb').write(bytes(range(256)))
os.mkdir('sub')
open('sub/inner.txt', 'w').write('in')
os.symlink({canary!r}, 'link')
os.symlink('sub', 'linkdir')
open('two', 'w').write('names')
os.link('two', 'hard')
os.mkfifo('fifo')
os.symlink('/dev/zero', 'zero')
"""
"""Make one file of each kind; links lead to `canary`."""

VANDAL: Final = """
import os, shutil
for act in (
    lambda: open('data/train.csv', 'w').write('x'), lambda: open('data/train.csv', 'a').write('x'),
    lambda: open('data/new.csv', 'w').write('x'), lambda: os.unlink('data/test.csv'),
    lambda: os.rename('data/test.csv', 'data/gone.csv'), lambda: os.chmod('data', 0o777),
    lambda: os.truncate('data/test.csv', 0), lambda: os.link('data/test.csv', 'hard'),
    lambda: open(os.path.realpath('data') + '/train.csv', 'w').write('x'), lambda: shutil.rmtree('data'),
):
    try:
        act()
    except OSError:
        pass
"""
"""Try to change the public files."""

ENVIRONMENTS: Final = """
import glob, os
with open('found', 'wb') as notes:
    notes.write(b'\\0'.join(name + b'=' + value for name, value in os.environb.items()) + b'\\0')
    for path in glob.glob('/proc/[0-9]*/environ') + ['/proc/self/environ']:
        try:
            notes.write(open(path, 'rb').read() + b'\\0')
        except OSError:
            pass
"""
"""Note every environment in reach in the file `found`."""

CALLS: Final = """
import socket
def attempt(call):
    try:
        call()
    except OSError as problem:
        print(problem)
def send(kind, address, how=socket.SOCK_STREAM):
    with socket.socket(kind, how) as caller:
        caller.settimeout(1)
        if how == socket.SOCK_DGRAM:
            caller.sendto(b'x', address)
        else:
            caller.connect(address)
attempt(lambda: send(socket.AF_INET, ('127.0.0.1', {tcp})))
attempt(lambda: send(socket.AF_INET, ('127.0.0.1', {udp}), socket.SOCK_DGRAM))
attempt(lambda: send(socket.AF_UNIX, {path!r}))
attempt(lambda: send(socket.AF_UNIX, {name!r}))
def by_pair():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b'x', {path!r})
attempt(by_pair)
attempt(lambda: (socket.getaddrinfo('example.com', 80), print('resolved')))
"""
"""Call servers of the host: `tcp` and `udp` ports, a socket `path`, an abstract `name`."""

DAEMONS: Final = """
import os, subprocess, sys
words = [sys.executable, '-S', '-c', 'import time; time.sleep(300)', {marker!r}]
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
subprocess.Popen(words, **quiet)
try:
    subprocess.Popen(words, start_new_session=True, **quiet)
except OSError:
    pass
if os.fork() == 0:
    try:
        os.setsid()
    except OSError:
        pass
    if os.fork() == 0:
        os.execv(words[0], words)
    os._exit(0)
print('started')
"""
"""Start background processes with `marker` in their command line."""

KILLER: Final = """
import os, signal
for number in (signal.SIGTERM, signal.SIGKILL):
    for pid in {pids}:
        for kill in (os.kill, os.killpg):
            try:
                kill(pid, number)
            except OSError:
                pass
try:
    os.kill(-1, signal.SIGKILL)
except OSError:
    pass
"""
"""Send deadly signals to `pids`, their groups, and everybody."""
