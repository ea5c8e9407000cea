"""Rules over short sounds: how high they are, how fast they pulse, which tones they hold, what is missing."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params

BOTH: Final = ("classification", "regression")
RATE: Final = 8000
"""Samples a second."""
LENGTH: Final = 2400
"""Samples of a sound: three tenths of a second."""

HEAD = f"""
RATE, LENGTH = {RATE}, {LENGTH}
time = np.arange(LENGTH) / RATE
loud = rng.uniform(0.5, 1.0, (ROWS, 1))
"""
"""Lines with which every sound begins: its size, its time axis, how loud it is."""
_SPECTRUM = """
window = np.hanning(waves.shape[1])
power = np.abs(np.fft.rfft(waves * window, axis=1)) ** 2
rate = np.fft.rfftfreq(waves.shape[1], 1 / 8000)
power = power / power.sum(axis=1, keepdims=True)
"""


def _draw_pitch(rng: Random, ask: Ask) -> dict[str, Any]:
    low = rng.randrange(160, 240, 10)
    return {
        "low": low,
        "high": low * rng.choice((4, 5)),
        "overtones": [round(rng.uniform(0.2, 0.9), 2) for _ in range(3)],
        "hiss": round(rng.uniform(0.25, 0.4), 2),
    }


def _pitch_script(params: Params) -> str:
    return f"""{HEAD}
# A tone with overtones of changing strength: its height counts, on the scale on which one hears.
signal = rng.uniform(0, 1, ROWS)
height = {params["low"]} * ({params["high"]} / {params["low"]}) ** signal
waves = np.sin(2 * np.pi * height[:, None] * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
for number, strength in enumerate({params["overtones"]}, 2):
    part = strength * rng.uniform(0.2, 1.8, (ROWS, 1))
    waves += part * np.sin(2 * np.pi * number * height[:, None] * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
waves = loud * waves + {params["hiss"]} * rng.normal(size=waves.shape)
"""


def _pitch_features(params: Params, level: Level) -> str:
    if level == "partial":
        return "X = (np.diff(np.sign(waves), axis=1) != 0).mean(axis=1)[:, None]\n"
    return f"""{_SPECTRUM}
# What a tone of a height and its overtones would add up to, over all heights that may be.
heights = {params["low"]} * ({params["high"]} / {params["low"]}) ** np.linspace(-0.05, 1.05, 500)
power = np.maximum(power[:, :-1], power[:, 1:])
comb = [sum(power[:, int(k * one / rate[1])] for k in (1, 2, 3)) for one in heights]
best = np.log(heights)[np.argmax(comb, axis=0)]
X = np.column_stack([best, (power * np.log(rate[1:] + 50)).sum(axis=1)])
"""


def _draw_pulse(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "slowest": rng.randrange(12, 18),
        "fastest": rng.randrange(45, 60),
        "carrier": rng.randrange(900, 1800, 50),
        "hiss": round(rng.uniform(0.25, 0.4), 2),
    }


def _pulse_script(params: Params) -> str:
    return f"""{HEAD}
# A hum that swells and fades: how often it does so in a second counts, and not how high or loud it is.
signal = rng.uniform({params["slowest"]}, {params["fastest"]}, ROWS)
swell = 0.5 + 0.5 * np.sin(2 * np.pi * signal[:, None] * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
carrier = {params["carrier"]} * rng.uniform(0.8, 1.25, (ROWS, 1))
waves = loud * swell**2 * np.sin(2 * np.pi * carrier * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
waves += {params["hiss"]} * rng.normal(size=waves.shape)
"""


def _pulse_features(params: Params, level: Level) -> str:
    swell = """
swell = (waves**2).reshape(len(waves), 150, -1).mean(axis=2)
swell = swell - swell.mean(axis=1, keepdims=True)
"""
    if level == "partial":
        return f"{swell}X = (np.diff(np.sign(swell), axis=1) != 0).mean(axis=1)[:, None]\n"
    return f"""{swell}
beat = np.abs(np.fft.rfft(swell * np.hanning(150), n=1200, axis=1)) ** 2
times = np.fft.rfftfreq(1200, 16 / 8000)
inside = (times > {params["slowest"]} * 0.9) & (times < {params["fastest"]} * 1.1)
best = times[inside][beat[:, inside].argmax(axis=1)]
X = np.column_stack([best, (np.diff(np.sign(swell), axis=1) != 0).mean(axis=1)])
"""


def _draw_glide(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"middle": rng.randrange(500, 900, 25), "steepest": rng.randrange(500, 700, 25), "hiss": 0.35}


def _glide_script(params: Params) -> str:
    return f"""{HEAD}
# A whistle that rises or falls about a height of its own: how steeply counts.
signal = rng.uniform(-1, 1, ROWS)
height = {params["middle"]} * rng.uniform(0.8, 1.25, (ROWS, 1)) + {params["steepest"]} * signal[:, None] * (
    time - time.mean()
)
waves = loud * np.sin(2 * np.pi * np.cumsum(height, axis=1) / RATE + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
waves += {params["hiss"]} * rng.normal(size=waves.shape)
"""


def _glide_features(params: Params, level: Level) -> str:
    pieces = "(0, 1600)" if level == "full" else "(0,)"
    return f"""
heights = []
for start in {pieces}:
    power = np.abs(np.fft.rfft(waves[:, start : start + 800] * np.hanning(800), n=8000, axis=1)) ** 2
    heights.append(power[:, 200:1600].argmax(axis=1) + 200.0)
X = np.column_stack([*heights, heights[-1] - heights[0]])
"""


def _draw_tones(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "tones": sorted(rng.sample(range(320, 2600, 190), max(2, ask.labels))),
        "share": round(rng.uniform(0.35, 0.5), 2),
        "strength": round(rng.uniform(0.13, 0.17), 3),
        "hiss": 0.6,
    }


def _tones_script(params: Params) -> str:
    return f"""{HEAD}
# Each label is a tone of its own that is there or not, faint, among others that mean nothing.
TONES = np.array({params["tones"]})
marks = (rng.random((ROWS, len(TONES))) < {params["share"]}).astype(int)
waves = {params["hiss"]} * rng.normal(size=(ROWS, LENGTH))
for number, tone in enumerate(TONES):
    sound = np.sin(2 * np.pi * tone * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
    waves += marks[:, [number]] * {params["strength"]} * (0.6 + loud) * sound
for _ in range(2):
    other = rng.uniform(2800, 3700, (ROWS, 1))
    waves += 0.3 * np.sin(2 * np.pi * other * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
"""


def _tones_features(params: Params, level: Level) -> str:
    tones = params["tones"] if level == "full" else params["tones"][::2]
    return f"""
time = np.arange(waves.shape[1]) / 8000
# The amplitude of each tone, whatever its phase.
parts = [np.abs(waves @ np.exp(2j * np.pi * tone * time)) / waves.shape[1] for tone in {tones}]
X = np.column_stack(parts)
"""


def _draw_echo(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "delay": rng.randrange(37, 89, 4),
        "strength": round(rng.uniform(0.8, 0.9) * rng.choice((-1, 1)), 2),
        "gap": rng.randrange(1100, 1500, 20),
        "values": 6,
        "hiss": 0.06,
    }


def _echo_script(params: Params) -> str:
    return f"""{HEAD}
# Noise that comes back after a fixed delay, again and again; a few samples of every sound are lost and set to nothing.
DELAY, GAP, VALUES = {params["delay"]}, {params["gap"]}, {params["values"]}
waves = rng.normal(size=(ROWS, LENGTH))
for start in range(DELAY, LENGTH, DELAY):
    piece = waves[:, start : start + DELAY]
    piece *= {(1 - params["strength"] ** 2) ** 0.5:.4f}
    piece += {params["strength"]} * waves[:, start - DELAY : start - DELAY + piece.shape[1]]
waves = 0.4 * waves + {params["hiss"]} * rng.normal(size=waves.shape)
hidden = 100 * waves[:, GAP : GAP + VALUES]
waves[:, GAP : GAP + VALUES] = 0
"""


def _echo_features(params: Params, level: Level) -> str:
    at, many, delay = params["gap"], params["values"], params["delay"]
    before = f"waves[:, {at - delay} : {at - delay + many}]"
    after = f"waves[:, {at + delay} : {at + delay + many}]"
    return f"X = np.column_stack([{before}{', ' + after if level == 'full' else ''}])\n"


SOUND: Final = (
    Family(
        name="pitch-height",
        modality="audio",
        task_types=BOTH,
        sentence="The height of a tone acts, on a logarithmic scale; overtones and loudness do not.",
        draw=_draw_pitch,
        script=_pitch_script,
        features=_pitch_features,
    ),
    Family(
        name="pulse-rate",
        modality="audio",
        task_types=BOTH,
        sentence="How often a hum swells and fades in a second acts; its height and loudness do not.",
        draw=_draw_pulse,
        script=_pulse_script,
        features=_pulse_features,
    ),
    Family(
        name="gliding-whistle",
        modality="audio",
        task_types=BOTH,
        sentence="How steeply a whistle rises or falls acts; the height it starts from does not.",
        draw=_draw_glide,
        script=_glide_script,
        features=_glide_features,
    ),
    Family(
        name="faint-tones",
        modality="audio",
        task_types=("multilabel",),
        sentence="Each label is a faint tone of fixed height that is in the sound or not.",
        draw=_draw_tones,
        script=_tones_script,
        features=_tones_features,
    ),
    Family(
        name="returning-echo",
        modality="audio",
        task_types=("reconstruction",),
        sentence="Noise comes back after a fixed delay, so that lost samples stand one delay before and after.",
        draw=_draw_echo,
        script=_echo_script,
        features=_echo_features,
    ),
)
"""Families over sounds: `waves` is rows by LENGTH, about -1 to 1, written as 16-bit WAV files."""
