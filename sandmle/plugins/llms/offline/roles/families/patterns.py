"""More rules over small grey images: the light from one side, the size of grains."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params
from sandmle.plugins.llms.offline.roles.families.image import BOTH, texture_features


def _draw_light(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "size": ask.image_size,
        "weights": [rng.choice((-1.0, 1.0)), round(rng.uniform(0.6, 0.9) * rng.choice((-1, 1)), 2)],
        "light_sd": rng.choice((22, 28)),
        "pixel_sd": rng.choice((30, 36, 42)),
    }


def _light_script(params: Params) -> str:
    half = params["size"] // 2
    return f"""
SIZE = {params["size"]}

# The light differs from picture to picture; how much more of it falls on one side, and on one end, counts.
light = rng.normal(128, {params["light_sd"]}, (ROWS, 1, 1))
lean = rng.normal(0, 9, (ROWS, 2))
images = light + rng.normal(0, {params["pixel_sd"]}, (ROWS, SIZE, SIZE))
images[:, :{half}] += lean[:, 0, None, None]
images[:, :, :{half}] += lean[:, 1, None, None]
signal = lean @ np.array({params["weights"]})
"""


def _light_features(params: Params, level: Level) -> str:
    half = params["size"] // 2
    down = f"pixels[:, :{half}].mean(axis=(1, 2)) - pixels[:, {half}:].mean(axis=(1, 2))"
    across = f"pixels[:, :, :{half}].mean(axis=(1, 2)) - pixels[:, :, {half}:].mean(axis=(1, 2))"
    entries = [down, across] if level == "full" else [down]
    return "X = np.column_stack([\n" + "".join(f"    {entry},\n" for entry in entries) + "])\n"


def _draw_grain(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "size": ask.image_size,
        "finest": round(rng.uniform(0.5, 0.7), 2),
        "coarsest": round(rng.uniform(1.8, 2.4), 2),
        "contrast": rng.choice((24, 30, 36)),
        "pixel_sd": rng.choice((10, 14)),
        "tone": rng.choice((-7, 7)),
    }


def _grain_script(params: Params) -> str:
    return f"""
SIZE = {params["size"]}

# Noise that is smoothed over more or fewer pixels: only the size of its grains counts.
grain = rng.uniform({params["finest"]}, {params["coarsest"]}, ROWS)
rate = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
passed = np.exp(-2 * (np.pi * grain[:, None, None] * rate) ** 2)
field = np.fft.ifft2(np.fft.fft2(rng.normal(0, 1, (ROWS, SIZE, SIZE))) * passed).real
field = (field - field.mean(axis=(1, 2), keepdims=True)) / field.std(axis=(1, 2), keepdims=True)
images = 128 + {params["contrast"]} * field
images += rng.normal(0, 10, (ROWS, 1, 1)) + rng.normal(0, {params["pixel_sd"]}, images.shape)
# Coarser pictures are a little brighter or darker.
images += {params["tone"]} * ((grain - grain.mean()) / grain.std())[:, None, None]
signal = grain
"""


PATTERNS: Final = (
    Family(
        name="leaning-light",
        modality="image",
        task_types=BOTH,
        sentence="How much brighter the upper half is than the lower, and the left than the right, counts.",
        draw=_draw_light,
        script=_light_script,
        features=_light_features,
    ),
    Family(
        name="grain-size",
        modality="image",
        task_types=BOTH,
        sentence="Smoothed noise covers the picture; the size of its grains counts.",
        draw=_draw_grain,
        script=_grain_script,
        features=texture_features,
    ),
)
"""More families over images: `images` is rows by SIZE by SIZE, 0 to 255 before clipping."""
