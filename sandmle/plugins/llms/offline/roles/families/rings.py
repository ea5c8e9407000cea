"""Rules by which a covered square is seen elsewhere in the picture: rings about a centre, rows that slide on."""

from math import hypot
from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params
from sandmle.plugins.llms.offline.roles.families.restore import RESTORE, SIDE, block, covered, draw_cover


def _places(params: Params) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Rows and columns of the pixels under the square, and of all others."""
    top, left = params["at"]
    under = [(top + down, left + across) for down in range(SIDE) for across in range(SIDE)]
    every = [(row, column) for row in range(params["size"]) for column in range(params["size"])]
    return under, [place for place in every if place not in under]


def _draw_rings(rng: Random, ask: Ask) -> dict[str, Any]:
    half = ask.image_size / 2
    drawn = draw_cover(rng, ask)
    # Below the square, so that every ring that crosses it is seen outside it too.
    centre = [half + rng.choice((0.0, 0.5, 1.0)), half - 0.5 + rng.choice((-1.0, -0.5, 0.0, 0.5, 1.0))]
    return drawn | {"pixel_sd": rng.choice((18, 21, 24)), "centre": centre}


def _rings_script(params: Params) -> str:
    down, across = params["centre"]
    return f"""
SIZE = {params["size"]}

# Rings about one centre: how bright a pixel is depends on how far from the centre it lies, in every picture anew.
rows, columns = np.mgrid[0:SIZE, 0:SIZE]
far = np.hypot(rows - {down}, columns - {across})
rings = rng.normal(0, 1, (ROWS, SIZE + 1))
inner = far.astype(int)
images = rings[:, inner] * (1 - far + inner) + rings[:, inner + 1] * (far - inner)
images = 128 + {params["contrast"]} * images / images.std() + rng.normal(0, 10, (ROWS, 1, 1))
{covered(params)}"""


def _rings_features(params: Params, level: Level) -> str:
    under, seen = _places(params)
    if level == "partial":
        # Of each pixel the one that lies as far from the centre, and no other.
        down, across = params["centre"]

        def far(place: tuple[int, int]) -> float:
            return hypot(place[0] - down, place[1] - across)

        alike = [min(seen, key=lambda place: abs(far(place) - far(one))) for one in under]
        return f"rows, columns = np.array({alike}).T\nX = pixels[:, rows, columns]\n"
    top, left = params["at"]
    return f"""
size = pixels.shape[1]
rows, columns = np.mgrid[0:size, 0:size]
far = np.hypot(rows - {params["centre"][0]}, columns - {params["centre"][1]})
# Which two rings make a pixel, and how much of each.
shares = np.maximum(0, 1 - np.abs(far[..., None] - np.arange(size + 1)))
under = np.zeros((size, size), dtype=bool)
under[{top} : {top + SIDE}, {left} : {left + SIDE}] = True
rings = (pixels - 128)[:, ~under] @ np.linalg.pinv(shares[~under], rcond=0.1).T
X = rings @ shares[under].T
"""


def _draw_slide(rng: Random, ask: Ask) -> dict[str, Any]:
    drawn = draw_cover(rng, ask)
    return drawn | {"pixel_sd": rng.choice((18, 21, 24)), "step": rng.choice((2, 3, 4, 5)) * rng.choice((-1, 1))}


def _slide_script(params: Params) -> str:
    return f"""
SIZE, STEP = {params["size"]}, {params["step"]}

# Every row is the row above it, pushed sideways; what leaves at one side comes back at the other.
line = rng.normal(0, 1, (ROWS, SIZE))
rows, columns = np.mgrid[0:SIZE, 0:SIZE]
images = 128 + {params["contrast"]} * line[:, (columns - STEP * rows) % SIZE] + rng.normal(0, 10, (ROWS, 1, 1))
{covered(params)}"""


def _slide_features(params: Params, level: Level) -> str:
    (top, left), step, size = params["at"], params["step"], params["size"]
    if level == "partial":
        above = [(left + across - step * (down + 1)) % size for down in range(SIDE) for across in range(SIDE)]
        return f"X = pixels[:, {top - 1}, {above}]\n"
    return f"""
# Pushed back, all rows are alike; the rows that the square touches are left out.
size = pixels.shape[1]
others = [row for row in range(size) if not {top} <= row < {top + SIDE}]
back = [np.roll(pixels[:, row], -{step} * row, axis=1) for row in others]
line = np.mean(back, axis=0)
rows, columns = np.mgrid[0:size, 0:size]
laid = line[:, (columns - {step} * rows) % size]
X = {block(params, array="laid")}
"""


RINGS: Final = (
    Family(
        name="target-rings",
        modality="image",
        task_types=RESTORE,
        sentence="Brightness depends on the distance from a fixed centre only; the rings tell a covered square.",
        draw=_draw_rings,
        script=_rings_script,
        features=_rings_features,
    ),
    Family(
        name="sliding-rows",
        modality="image",
        task_types=RESTORE,
        sentence="Every row is the row above, pushed sideways by a fixed step; the others tell a covered square.",
        draw=_draw_slide,
        script=_slide_script,
        features=_slide_features,
    ),
)
"""Families of pictures with a hidden square, as `RESTORES` are."""
