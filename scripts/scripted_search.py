"""What scripted models say to a peer's tree search, and what its prompts show of it. The recording scripts share it."""

import random
import re
from typing import Any, Final

MARK: Final = re.compile(r"(Design|program|output|finding) (\d+)")


class Script:
    """The scripted model and its world: what is replied, printed and found, drawn from one seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._lower = self._rng.random() < 0.5
        self.replies: list[str] = []
        self.outcomes: dict[int, tuple[str, bool]] = {}
        """Number of a program to what it prints, and whether it fails."""
        self.reviews: list[dict[str, Any]] = []

    @property
    def lower_is_better(self) -> bool:
        """Of the metric that the programs print."""
        return self._lower

    def reply(self) -> str:
        """A plan and a program, or one of the ways to get that wrong."""
        number = len(self.replies)
        plan, code = f"Design {number} is tried.", f"print('program {number}')"
        kind = self._rng.choices(("whole", "no plan", "no code", "broken", "bare"), (60, 12, 10, 10, 8))[0]
        text = {
            "whole": f"{plan}\n\n```python\n{code}\n```",
            "no plan": f"```python\n{code}\n```",
            "no code": f"{plan} There is nothing more to say.",
            "broken": f"{plan}\n\n```python\n{code[:-1]}\n```",
            "bare": code,
        }[kind]
        self.replies.append(text)
        self.outcomes[number] = (f"output {number}", self._rng.random() < 0.3)
        return text

    def review(self) -> dict[str, Any]:
        """What is found in an output."""
        review = {
            "is_bug": self._rng.random() < 0.25,
            "summary": f"finding {len(self.reviews)}",
            "metric": None if self._rng.random() < 0.15 else self._rng.choice((0.25, 0.5, 0.75, self._rng.random())),
            "lower_is_better": self._lower,
        }
        self.reviews.append(review)
        return dict(review)

    def run(self, code: str) -> tuple[str, bool]:
        """What running a program prints, and whether it fails; what is no Python cannot be run."""
        try:
            compile(code, "program", "exec")
            return self.outcomes[int(MARK.findall(code)[-1][1])]
        except (SyntaxError, IndexError):
            return "it is no Python", True


def marks_of(text: str) -> str:
    """Which designs, programs, outputs and findings a prompt shows, in order: `D3 F3 P5 O5`."""
    return " ".join(f"{word[0].upper()}{number}" for word, number in MARK.findall(text))
