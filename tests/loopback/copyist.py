"""A model that copies the sample submission, in the protocol of whichever scaffold asks. It fits nothing."""

import json
from collections.abc import Sequence

from sandmle.core.types.message import Message, ModelReply
from sandmle.plugins.llms.offline.agent.dialects import dialect_of
from sandmle.plugins.llms.offline.agent.speech import Utterance, Wish
from sandmle.plugins.llms.offline.agent.tree.prompts import Wish as TreeWish
from sandmle.plugins.llms.offline.agent.tree.prompts import read_request

from .server import Request

PROGRAM = "import shutil\nshutil.copy('data/sample_submission.csv', 'submission.csv')\nprint('done')"
REVIEW = {"is_bug": False, "summary": "It ran.", "metric": 0.5, "lower_is_better": True}


def play(messages: Sequence[Message], request: Request) -> ModelReply:
    """The next reply, from the conversation alone."""
    asked = read_request(messages)
    if asked is not None:
        text = json.dumps(REVIEW) if asked.wish is TreeWish.REVIEW else f"I copy it.\n\n```python\n{PROGRAM}\n```"
        return ModelReply(text=text)
    dialect = dialect_of(messages)
    conversation = dialect.read(messages)
    if not conversation.task:
        said = dialect.write(Utterance(wish=Wish.ASK, thought="What is it about?"))
    elif not conversation.turns:
        said = dialect.write(Utterance(wish=Wish.RUN, thought="I copy it.", code=PROGRAM, submits=True))
    else:
        scored = any(turn.stage == "score" for turn in conversation.turns)
        said = dialect.write(Utterance(wish=Wish.FINISH if scored else Wish.SCORE, thought="Let me see."))
    return said if isinstance(said, ModelReply) else ModelReply(text=said)
