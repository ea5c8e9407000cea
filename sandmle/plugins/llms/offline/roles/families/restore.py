"""Rules by which hidden parts of pictures can be restored: symmetry, repetition, smoothness, a few prints."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params

RESTORE: Final = ("reconstruction",)
SIDE: Final = 3
"""Side of the square whose grey values are asked for, pixels."""


def draw_cover(rng: Random, ask: Ask) -> dict[str, Any]:
    """What a picture with a covered square has, whatever the rule."""
    # Off the middle, so that the mirrored place is another one.
    size = ask.image_size
    return {
        "size": size,
        "values": SIDE * SIDE,
        "at": [rng.randrange(1, size // 2 - SIDE), rng.randrange(1, size - SIDE - 1)],
        "pixel_sd": rng.choice((8, 10, 12)),
        "contrast": rng.choice((30, 36, 42)),
        "cover": rng.choice((0, 255)),
    }


def covered(params: Params) -> str:
    """Lines that keep what is under the square as `hidden`, and cover it."""
    top, left = params["at"]
    square = f"{top} : {top + SIDE}, {left} : {left + SIDE}"
    return f"""
# Asked for is what stands under the square; the camera's grain comes on top of everything else.
hidden = np.clip(images[:, {square}], 0, 255).reshape(ROWS, -1)
images = images + rng.normal(0, {params["pixel_sd"]}, images.shape)
images[:, {square}] = {params["cover"]}
"""


def block(params: Params, down: int = 0, across: int = 0, array: str = "pixels") -> str:
    """An expression of the square of `array` that lies so far from the covered one."""
    top, left = params["at"][0] + down, params["at"][1] + across
    return f"{array}[:, {top} : {top + SIDE}, {left} : {left + SIDE}].reshape(len({array}), -1)"


def _mirror_script(params: Params) -> str:
    return f"""
SIZE = {params["size"]}

# Blots in a picture that looks the same turned by half.
images = rng.normal(0, 1, (ROWS, SIZE, SIZE))
rate = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
images = np.fft.ifft2(np.fft.fft2(images) * np.exp(-2 * (np.pi * 0.55 * rate) ** 2)).real
images = images + images[:, ::-1, ::-1]
images = 128 + {params["contrast"]} * images / images.std() + rng.normal(0, 10, (ROWS, 1, 1))
{covered(params)}"""


def _mirror_features(params: Params, level: Level) -> str:
    whole = f"mirrored = pixels[:, ::-1, ::-1]\nX = {block(params, array='mirrored')}\n"
    return whole if level == "full" else f"{whole}X = X[:, ::2]\n"


def _draw_tiles(rng: Random, ask: Ask) -> dict[str, Any]:
    return draw_cover(rng, ask) | {"tile": rng.choice((4, 5))}


def _tiles_script(params: Params) -> str:
    tile = params["tile"]
    return f"""
SIZE = {params["size"]}

# A tile, different in every picture, is laid again and again.
tile = rng.normal(0, 1, (ROWS, {tile}, {tile}))
repeat = np.arange(SIZE) % {tile}
images = 128 + {params["contrast"]} * tile[:, repeat][:, :, repeat] + rng.normal(0, 10, (ROWS, 1, 1))
{covered(params)}"""


def _tiles_features(params: Params, level: Level) -> str:
    tile, size = params["tile"], params["size"]
    shifts = [
        (down * tile, across * tile)
        for down in range(-3, 4)
        for across in range(-3, 4)
        if (down or across)
        and 0 <= params["at"][0] + down * tile <= size - SIDE
        and 0 <= params["at"][1] + across * tile <= size - SIDE
    ]
    chosen = shifts if level == "full" else shifts[:1]
    pieces = "".join(f"    {block(params, *shift)},\n" for shift in chosen)
    return f"X = np.mean([\n{pieces}], axis=0)\n"


def _smooth_script(params: Params) -> str:
    return f"""
SIZE = {params["size"]}

# Soft ground: light and dark change slowly over the picture.
rate = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
images = np.fft.ifft2(np.fft.fft2(rng.normal(0, 1, (ROWS, SIZE, SIZE))) * np.exp(-2 * (np.pi * 2.0 * rate) ** 2)).real
images = 128 + {params["contrast"]} * images / images.std() + rng.normal(0, 10, (ROWS, 1, 1))
{covered(params)}"""


def _smooth_features(params: Params, level: Level) -> str:
    (top, left), size = params["at"], params["size"]
    reach = 2 if level == "full" else 1
    # The pixels of the frame around the square, which tell how the ground leans and bends.
    places = [
        (row, column)
        for row in range(max(0, top - reach), min(size, top + SIDE + reach))
        for column in range(max(0, left - reach), min(size, left + SIDE + reach))
        if not (top <= row < top + SIDE and left <= column < left + SIDE)
    ]
    chosen = places if level == "full" else places[::3]
    return f"rows, columns = np.array({chosen}).T\nX = pixels[:, rows, columns]\n"


def _draw_prints(rng: Random, ask: Ask) -> dict[str, Any]:
    return draw_cover(rng, ask) | {
        "prints": rng.choice((4, 5, 6)),
        "grain": rng.choice((45, 55, 65)),
        "seed": rng.randrange(10**6),
    }


def _prints(params: Params) -> str:
    """Lines that make `prints`, blots that are the same for the generator and for who knows them."""
    return f"""
SIDE = {params["size"]}
prints = np.random.default_rng({params["seed"]}).normal(0, 1, ({params["prints"]}, SIDE, SIDE))
waves = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
prints = np.fft.ifft2(np.fft.fft2(prints) * np.exp(-2 * (np.pi * 0.7 * waves) ** 2)).real
prints = prints / prints.std()
"""


def _prints_script(params: Params) -> str:
    top, left = params["at"]
    square = f"{top} : {top + SIDE}, {left} : {left + SIDE}"
    return f"""
SIZE = {params["size"]}

# Every picture is a mixture of a few prints, and nearly lost in grain; asked for is a square of it without the grain.
{_prints(params).strip()}
shares = rng.dirichlet(np.full(len(prints), 0.6), ROWS)
images = 128 + 1.5 * {params["contrast"]} * np.tensordot(shares - shares.mean(axis=0), prints, 1)
hidden = np.clip(images[:, {square}], 0, 255).reshape(ROWS, -1)
images = images + rng.normal(0, {params["grain"]}, images.shape)
"""


def _prints_features(params: Params, level: Level) -> str:
    chosen = "prints" if level == "full" else f"prints[: {params['prints'] // 2}]"
    return f"""
{_prints(params).strip()}
flat = pixels - pixels.mean()
X = np.tensordot(flat, {chosen}, ([1, 2], [1, 2])) / flat[0].size
"""


RESTORES: Final = (
    Family(
        name="half-turn",
        modality="image",
        task_types=RESTORE,
        sentence="The picture is the same turned by half, so that a covered square is seen at the opposite place.",
        draw=draw_cover,
        script=_mirror_script,
        features=_mirror_features,
        unusable_noise=("occlusion",),
    ),
    Family(
        name="laid-tiles",
        modality="image",
        task_types=RESTORE,
        sentence="A tile is repeated over the picture, so that a covered square is seen one tile away.",
        draw=_draw_tiles,
        script=_tiles_script,
        features=_tiles_features,
    ),
    Family(
        name="soft-ground",
        modality="image",
        task_types=RESTORE,
        sentence="Light and dark change slowly, so that the frame around a covered square tells what is under it.",
        draw=draw_cover,
        script=_smooth_script,
        features=_smooth_features,
    ),
    Family(
        name="mixed-prints",
        modality="image",
        task_types=RESTORE,
        sentence="Every picture is a mixture of a few fixed prints under grain; the mixture tells the clean square.",
        draw=_draw_prints,
        script=_prints_script,
        features=_prints_features,
    ),
)
"""Families of pictures with a hidden square: `hidden` is rows by nine grey values, row by row."""
