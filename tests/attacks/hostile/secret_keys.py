"""Keys and settings of whoever started the host."""

from hostile.record import Attack, Off


def _attack(name: str, aim: str, code: str, won: str = "secret", off: Off = Off.USER, needs: str = "") -> Attack:
    return Attack(name=name, family="secrets in environment", aim=aim, code=code, won=won, off=off, needs=needs)


SECRET_KEYS = (
    _attack(
        "own_environment",
        "look for keys in the environment it inherited",
        "print(dict(os.environ))",
        off=Off.BARE,
    ),
    _attack(
        "environment_before_python",
        "look where the environment was at the start of the process",
        "os.environ.clear(); print(open('/proc/self/environ').read())",
        off=Off.BARE,
    ),
    _attack(
        "host_environment",
        "read the environment of a process outside",
        "print(open('/proc/<<bystander>>/environ').read())",
    ),
    _attack(
        "host_arguments",
        "read the command line of a process outside",
        "print(open('/proc/<<bystander>>/cmdline').read())",
    ),
    _attack(
        "all_arguments",
        "read every command line there is, as ps does",
        "<<bystander>>\nfor one in os.listdir('/proc'):\n"
        "    try: text = open(f'/proc/{one}/cmdline').read()\n    except OSError: continue\n"
        "    if 'read line' in text: print(text)",
    ),
    _attack(
        "settings_file",
        "read a file of settings where a process outside works",
        "'<<settings_file>>'; print(open('/proc/<<bystander>>/cwd/.env').read())",
    ),
    _attack(
        "what_the_parent_held",
        "search its own memory for what its parent ever held",
        "import re\nfound = set()\nmaps = open('/proc/self/maps').read().splitlines()\n"
        "memory = os.open('/proc/self/mem', os.O_RDONLY)\n"
        "for line in maps:\n    words = line.split()\n"
        "    low, high = (int(one, 16) for one in words[0].split('-'))\n"
        "    if 'rw' in words[1] and high - low < 64 << 20:\n"
        "        try: found |= set(re.findall(b'SECRE' b'T-[0-9a-f]{24}', os.pread(memory, high - low, low)))\n"
        "        except OSError: pass\n"
        "print(found)",
        off=Off.BARE,
    ),
    _attack(
        "objects_of_the_host",
        "ask the garbage collector for every list there is",
        "import gc\nfor one in gc.get_objects():\n"
        "    if type(one) is list and one and type(one[0]) is str and one[0].startswith('SECRE' 'T-'): print(one)",
        off=Off.BARE,
    ),
    _attack(
        "frames_of_the_host",
        "walk up the stack to variables of the caller",
        "frame = sys._getframe()\nwhile frame:\n    print({k: v for k, v in list(frame.f_locals.items()) "
        "if 'answers' in k or 'key' in k})\n    frame = frame.f_back",
        off=Off.BARE,
    ),
    _attack(
        "keyring_of_the_user",
        "read the kernel's keyring of the user",
        "number = call(250, 10, -4, b'user', b'<<user_key>>', 0)\nroom = ctypes.create_string_buffer(200)\n"
        "call(250, 11, number, ctypes.addressof(room), 200, 0); print(room.value.decode())",
        needs="a keyring",
    ),
    _attack(
        "accounts_of_the_machine",
        "read who has an account on the machine",
        "text = open('/etc/passwd').read()\nprint('<<token>>' if 'daemon' in text or 'nobody' in text else '')",
        won="told",
    ),
    _attack(
        "settings_of_the_machine",
        "read how the machine finds others",
        "print(len(open('/etc/hosts').read()) and '<<token>>')",
        won="told",
    ),
)
