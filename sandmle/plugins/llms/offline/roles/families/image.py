"""Rules over small grey images: a pattern at any place, the spacing of a texture, a difference of brightness."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params

BOTH: Final = ("classification", "regression")
GLYPHS: Final = {
    "plus": [".#.", "###", ".#."],
    "cross": ["#.#", ".#.", "#.#"],
    "bar": ["###", "...", "###"],
    "pole": ["#.#", "#.#", "#.#"],
    "slash": ["..#", ".#.", "#.."],
    "corner": ["#..", "#..", "###"],
}


def _draw_motif(rng: Random, ask: Ask) -> dict[str, Any]:
    names = rng.sample(sorted(GLYPHS), max(2, min(ask.classes, 4)))
    return {
        "size": ask.image_size,
        "glyphs": {name: GLYPHS[name] for name in names},
        "strength": rng.choice((70, 80, 90)),
        "copies": rng.choice((2, 3)),
        "background": rng.randrange(70, 130, 10),
        "tones": rng.sample([-9, -3, 3, 9], len(names)),
    }


def glyph_lines(params: Params, count: int) -> str:
    """Lines that define `glyphs`, the first `count` marks as arrays of 0 and 1."""
    glyphs = dict(list(params["glyphs"].items())[:count])
    shapes = "\n".join(f"    {name!r}: {rows!r}," for name, rows in glyphs.items())
    return f"""GLYPHS = {{
{shapes}
}}
glyphs = [np.array([[mark == "#" for mark in row] for row in one], dtype=float) for one in GLYPHS.values()]
"""


def _motif_script(params: Params) -> str:
    return f"""
SIZE = {params["size"]}
{glyph_lines(params, 9)}
# One kind of mark is printed several times, wherever it falls (over the rim it goes on at the other side).
# The ground has a slightly different tone for each kind.
kind = rng.integers(0, len(glyphs), ROWS)
images = np.full((ROWS, SIZE, SIZE), {params["background"]}.0)
images += np.array({params["tones"]})[kind][:, None, None]
images += rng.normal(0, 12, (ROWS, 1, 1)) + rng.normal(0, 14, (ROWS, SIZE, SIZE))
for row in range(ROWS):
    for top, left in rng.integers(0, SIZE, ({params["copies"]}, 2)):
        rows = (top + np.arange(3)[:, None]) % SIZE
        columns = (left + np.arange(3)[None, :]) % SIZE
        images[row, rows, columns] += {params["strength"]} * glyphs[kind[row]]
"""


def _motif_features(params: Params, level: Level) -> str:
    many = len(params["glyphs"])
    pooled = "answer.max(axis=(1, 2))" if level == "full" else "answer.std(axis=(1, 2))"
    return matched_lines(params, many if level == "full" else max(1, many - 1), pooled)


def matched_lines(params: Params, count: int, pooled: str) -> str:
    """Lines of a solution that look for the first `count` marks everywhere; `pooled` sums up each `answer`."""
    return f"""
{glyph_lines(params, count)}

def matched(glyph):
    flat = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    centred = glyph - glyph.mean()
    shifts = [np.roll(flat, (-i, -j), axis=(1, 2)) * centred[i, j] for i in range(3) for j in range(3)]
    answer = sum(shifts)
    return {pooled}


X = np.column_stack([pixels.mean(axis=(1, 2)), *[matched(glyph) for glyph in glyphs]])
"""


def _draw_texture(rng: Random, ask: Ask) -> dict[str, Any]:
    low = round(rng.uniform(0.8, 1.2), 2)
    return {
        "size": ask.image_size,
        "slowest": low,
        "fastest": round(ask.image_size * rng.uniform(0.34, 0.4), 2),
        "contrast": rng.choice((28, 34, 40)),
        "pixel_sd": rng.choice((14, 18, 22)),
        "tone": rng.choice((-7, 7)),
    }


def _texture_script(params: Params) -> str:
    return f"""
SIZE = {params["size"]}

# Waves across the picture in a random direction and phase: only how many of them there are counts.
waves = rng.uniform({params["slowest"]}, {params["fastest"]}, ROWS)
turn = rng.uniform(0, np.pi, ROWS)
phase = rng.uniform(0, 2 * np.pi, ROWS)
down, across = np.mgrid[0:SIZE, 0:SIZE] / SIZE
along = np.cos(turn)[:, None, None] * across + np.sin(turn)[:, None, None] * down
images = 128 + {params["contrast"]} * np.sin(2 * np.pi * waves[:, None, None] * along + phase[:, None, None])
images += rng.normal(0, 10, (ROWS, 1, 1)) + rng.normal(0, {params["pixel_sd"]}, images.shape)
# Finer textures are a little brighter or darker.
images += {params["tone"]} * ((waves - waves.mean()) / waves.std())[:, None, None]
signal = waves
"""


def texture_features(params: Params, level: Level) -> str:
    """Power by frequency; half of it: how rough the picture is."""
    if level == "partial":
        return """
flat = pixels - pixels.mean(axis=(1, 2), keepdims=True)
spread = (flat**2).mean(axis=(1, 2))
X = np.column_stack([
    (np.diff(flat, axis=1) ** 2).mean(axis=(1, 2)) / spread,
    (np.diff(flat, axis=2) ** 2).mean(axis=(1, 2)) / spread,
])
"""
    return """
size = pixels.shape[1]
window = np.hanning(size + 2)[1:-1]
flat = (pixels - pixels.mean(axis=(1, 2), keepdims=True)) * np.outer(window, window)
power = np.abs(np.fft.fft2(flat, s=(32, 32))) ** 2
rate = np.fft.fftfreq(32)
radius = np.hypot(rate[:, None], rate[None, :])
rings = [power[:, (radius >= a) & (radius < a + 0.045)].sum(axis=1) for a in np.arange(0.02, 0.55, 0.045)]
share = np.column_stack(rings) / power.sum(axis=(1, 2))[:, None]
centre = (power**2 * radius).sum(axis=(1, 2)) / (power**2).sum(axis=(1, 2))
X = np.column_stack([pixels.mean(axis=(1, 2)), centre, share])
"""


def _draw_contrast(rng: Random, ask: Ask) -> dict[str, Any]:
    corners = rng.sample(((0, 0), (0, 1), (1, 0), (1, 1)), 3)
    return {
        "size": ask.image_size,
        "corners": [list(corner) for corner in corners],
        "weights": [1.0, -1.0, round(rng.uniform(0.4, 0.6) * rng.choice((-1, 1)), 2)],
        "light_sd": rng.choice((22, 28)),
        "pixel_sd": rng.choice((30, 36, 42)),
    }


def _corner(params: Params, number: int, array: str) -> str:
    row, column = params["corners"][number]
    half = params["size"] // 2
    vertical = f":{half}" if row == 0 else f"{half}:"
    horizontal = f":{half}" if column == 0 else f"{half}:"
    return f"{array}[:, {vertical}, {horizontal}]"


def _contrast_script(params: Params) -> str:
    paint = "\n".join(f"{_corner(params, i, 'images')} += level[:, {i}, None, None]" for i in range(3))
    return f"""
SIZE = {params["size"]}

# The light differs from picture to picture; the levels of three quarters against one another count.
light = rng.normal(128, {params["light_sd"]}, (ROWS, 1, 1))
level = rng.normal(0, 14, (ROWS, 3))
images = light + rng.normal(0, {params["pixel_sd"]}, (ROWS, SIZE, SIZE))
{paint}
signal = level @ np.array({params["weights"]})
"""


def _contrast_features(params: Params, level: Level) -> str:
    means = [f"{_corner(params, i, 'pixels')}.mean(axis=(1, 2))" for i in range(3)]
    rest = next([r, c] for r in (0, 1) for c in (0, 1) if [r, c] not in params["corners"])
    other = _corner({**params, "corners": [rest]}, 0, "pixels") + ".mean(axis=(1, 2))"
    if level == "partial":
        return f"X = np.column_stack([{means[0]} - {means[1]}])\n"
    return f"rest = {other}\nX = np.column_stack([{', '.join(f'{mean} - rest' for mean in means)}])\n"


IMAGE: Final = (
    Family(
        name="shifted-motif",
        modality="image",
        task_types=("classification",),
        sentence="One kind of mark is printed at random places of the picture; the kind is the class.",
        draw=_draw_motif,
        script=_motif_script,
        features=_motif_features,
        ordered=False,
    ),
    Family(
        name="texture-spacing",
        modality="image",
        task_types=BOTH,
        sentence="Waves in a random direction and phase cross the picture; their number across it counts.",
        draw=_draw_texture,
        script=_texture_script,
        features=texture_features,
    ),
    Family(
        name="corner-contrast",
        modality="image",
        task_types=BOTH,
        sentence="The mean levels of three quarters of the picture are weighted against one another.",
        draw=_draw_contrast,
        script=_contrast_script,
        features=_contrast_features,
    ),
)
"""Families over images: `images` is rows by SIZE by SIZE, 0 to 255 before clipping."""
