"""An agent that does the same in every episode: a few cells, a process in the background, a valid submission."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.core.types.trajectory import Action, ActionKind

_CELLS = (
    """
import shutil, subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)", "{marker}"], stdout=subprocess.DEVNULL)
shutil.copyfile("data/sample_submission.csv", "submission.csv")
""",
    "time.sleep(0.3); total = sum(range(100_000))",
    "print(total); time.sleep(0.1)",
)


class Script:
    """A model that says which cell is next."""

    name = "scripted/counting"

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """The number of replies before this one."""
        return ModelReply(text=str(sum(message.role == "assistant" for message in messages)))

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True)
class Player:
    """A scaffold that runs the cells in order and submits."""

    marker: str
    """In the command line of the background process, by which it is found should it survive."""
    name: str = "counting"

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode."""
        actions = [Action(kind=ActionKind.RUN_CODE, code=cell.replace("{marker}", self.marker)) for cell in _CELLS]
        actions += [Action(kind=ActionKind.SUBMIT), Action(kind=ActionKind.FINISH)]
        conversation = [Message(role="user", content=episode.task.description)]
        while True:
            reply = await episode.ask(conversation)
            seen = await episode.act(actions[int(reply.text)])
            conversation += [
                Message(role="assistant", content=reply.text),
                Message(role="user", content=seen.text),
            ]

    def mermaid(self) -> str:
        """There is no graph to draw."""
        return ""
