"""How a conversation is written in one checkpoint's tokens: the same markup around every message, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant"]
ROLES: Final[tuple[Role, ...]] = ("system", "user", "assistant")


class ChatFormat(BaseModel):
    """`chat_format.json` beside the weights. Under it a conversation only grows: no message changes another's text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: str = ""
    """What stands before the first message, of special tokens only."""
    system: str = "<|system|>"
    user: str = "<|user|>"
    assistant: str = "<|assistant|>"
    end: str = "<|end|>"
    """One special token."""
    after: str = ""
    """What stands between the end of a message and the next; never sampled."""

    def opening(self, role: Role) -> str:
        """What stands before what the role's author writes."""
        return {"system": self.system, "user": self.user, "assistant": self.assistant}[role]

    def pieces(self, messages: Sequence[tuple[Role, str]], *, generate: bool = False) -> list[tuple[str, bool]]:
        """A conversation's text in parts, and whether a part was written by an author: `[(text, authored)]`.

        Args:
            messages: role and content of each.
            generate: end with the opening of an assistant's turn.
        """
        found = [(self.begin, False)]
        for role, content in messages:
            found += [(self.opening(role), False), (content, True), (self.end + self.after, False)]
        return [*found, (self.assistant, False)] if generate else found

    def render(self, messages: Sequence[tuple[Role, str]], *, generate: bool = False) -> str:
        """A conversation as one text; arguments as for `pieces`."""
        return "".join(text for text, _ in self.pieces(messages, generate=generate))

    def jinja(self) -> str:
        """A chat template for transformers, vLLM and OpenRLHF that renders as `render` does."""
        openings = ", ".join(f"{_quoted(role)}: {_quoted(self.opening(role))}" for role in (*ROLES,))
        tool = f"{_quoted('tool')}: {_quoted(self.user)}"
        closing = _quoted(self.end + self.after)
        return (
            f"{{%- set openings = {{{openings}, {tool}}} -%}}"
            f"{{{{- {_quoted(self.begin)} -}}}}"
            "{%- for message in messages -%}"
            f"{{{{- openings[message.role] + message.content + {closing} -}}}}"
            "{%- endfor -%}"
            f"{{%- if add_generation_prompt -%}}{{{{- {_quoted(self.assistant)} -}}}}{{%- endif -%}}"
        )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


CHATML: Final = ChatFormat(
    system="<|im_start|>system\n",
    user="<|im_start|>user\n",
    assistant="<|im_start|>assistant\n",
    end="<|im_end|>",
    after="\n",
)
LLAMA3: Final = ChatFormat(
    begin="<|begin_of_text|>",
    system="<|start_header_id|>system<|end_header_id|>\n\n",
    user="<|start_header_id|>user<|end_header_id|>\n\n",
    assistant="<|start_header_id|>assistant<|end_header_id|>\n\n",
    end="<|eot_id|>",
)
FORMATS: Final[Mapping[str, ChatFormat]] = {"chatml": CHATML, "qwen3": CHATML, "llama3": LLAMA3}
"""By name. Qwen3 writes ChatML; what its own template does beyond that, this does not do: it drops no thoughts, adds no
empty ones and joins no messages. Llama 3 without trimming, dates and text of its own."""
