"""The door to litellm stays off the network."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        print("NETWORK", event, arguments, flush=True)

sys.addaudithook(watch)
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.types.message import Message, ReplyOptions

toolkit = Toolkit(plugins=load_plugins(builtins=("sandmle.plugins.llms.plugin",)))
assert "litellm" not in sys.modules, "listing the providers imported litellm"

async def main():
    model = toolkit.open_model("offline/agent")
    reply = await model.reply([Message(role="user", content="A task.")], ReplyOptions())
    await model.close()
    print("SAID", len(reply.text))

asyncio.run(main())
"""


def test_opening_and_asking_an_offline_model_touches_no_network_and_prints_nothing():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    assert lines[0].startswith("SAID")
