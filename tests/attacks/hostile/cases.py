"""Where attacks are staged: each where isolation is off, and at every level as every kind of user."""

from dataclasses import dataclass

from hostile.catalog import ATTACKS
from hostile.record import Attack, Off


@dataclass(frozen=True)
class Place:
    """A level and a user."""

    level: str
    ordinary: bool

    def __str__(self) -> str:
        return f"{self.level} as {'an ordinary user' if self.ordinary else 'root'}"


@dataclass(frozen=True)
class Case:
    """One attack at one place."""

    attack: Attack
    place: Place
    is_held: bool
    """Whether it must be held, or else must succeed."""

    def __str__(self) -> str:
        return f"{self.place.level}-{'user' if self.place.ordinary else 'root'}-{self.attack.name}"


OFF = {Off.USER: Place("L0", True), Off.ROOT: Place("L0", False), Off.BARE: Place("bare", True)}
ON = (
    Place("L1", False), Place("L3", False), Place("L3", True), Place("L2", False), Place("L2", True),
)  # fmt: skip
OPEN_IN_CONTAINERS = {"zygote_killed", "zygote_stopped", "guardian_killed", "parent_killed"}
"""At L1 the machinery runs in the container as the same user: it can be ended, which is an infrastructure failure."""
OFF_CASES = [Case(attack, OFF[attack.off], False) for attack in ATTACKS]
HELD_CASES = [
    Case(attack, place, True)
    for place in ON
    for attack in ATTACKS
    if place.level != "L1" or attack.name not in OPEN_IN_CONTAINERS
]
