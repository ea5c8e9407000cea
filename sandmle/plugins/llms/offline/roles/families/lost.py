"""Rules by which lost samples of a sound can be restored: two tones that beat, a tone that glides on."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params
from sandmle.plugins.llms.offline.roles.families.sound import HEAD

_VALUES: Final = 6
"""Samples asked for."""
_BINS: Final = 8000
"""Length of the padded spectra: heights a hertz apart, so that the phase in the gap is right."""


def _draw_gap(rng: Random) -> dict[str, Any]:
    return {
        "gap": rng.randrange(1100, 1300, 20),
        "values": _VALUES,
        "hiss": round(rng.uniform(0.55, 0.7), 2),
    }


def _lost(params: Params) -> str:
    return f"""
# Asked for are lost samples of the tones; the recorder's hiss comes on top of everything else.
GAP, VALUES = {params["gap"]}, {params["values"]}
hidden = 100 * waves[:, GAP : GAP + VALUES]
waves = waves + {params["hiss"]} * rng.normal(size=waves.shape)
waves[:, GAP : GAP + VALUES] = 0
"""


def _draw_beat(rng: Random, ask: Ask) -> dict[str, Any]:
    return _draw_gap(rng) | {
        "lowest": rng.randrange(400, 600, 20),
        "highest": rng.randrange(1300, 1700, 20),
        "apart": rng.randrange(18, 45, 3),
    }


def _beat_script(params: Params) -> str:
    return f"""{HEAD}
# Two tones a fixed number of hertz apart beat against each other, at a height that every recording has of its own.
height = rng.uniform({params["lowest"]}, {params["highest"]}, (ROWS, 1))
waves = np.zeros((ROWS, LENGTH))
for tone in (height, height + {params["apart"]}):
    waves += rng.uniform(0.6, 1.0, (ROWS, 1)) * np.sin(2 * np.pi * tone * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
waves = loud * waves
{_lost(params)}"""


def _beat_features(params: Params, level: Level) -> str:
    apart = params["apart"] if level == "full" else 0
    tones = "(0, APART)" if level == "full" else "(0,)"
    first, last = params["lowest"] - 25, params["highest"] + 25 + params["apart"] - apart
    return f"""
APART = {apart}
lost = np.arange({params["gap"]}, {params["gap"] + params["values"]})
window = np.hanning(waves.shape[1])


def gone_on(some):
    # Where a tone, and another so far above it, would be strongest; both are then gone on with through the gap.
    spectrum = np.fft.rfft(some * window, n={_BINS}, axis=1)
    power = np.abs(spectrum) ** 2
    best = {first} + (power[:, {first}:{last}] + power[:, {first} + APART : {last} + APART]).argmax(axis=1)
    told = 0
    for one in [best + more for more in {tones}]:
        turn = np.exp(2j * np.pi * one[:, None] * lost / {_BINS})
        told = told + (spectrum[np.arange(len(one)), one][:, None] * turn).real / window.sum()
    return told


# A hundred rows at a time: spectra are large.
X = np.vstack([gone_on(waves[start : start + 100]) for start in range(0, len(waves), 100)])
"""


def _draw_slur(rng: Random, ask: Ask) -> dict[str, Any]:
    return _draw_gap(rng) | {
        "lowest": rng.randrange(600, 800, 20),
        "highest": rng.randrange(1300, 1600, 20),
        "pace": rng.randrange(1800, 2800, 100) * rng.choice((-1, 1)),
    }


def _slur_script(params: Params) -> str:
    return f"""{HEAD}
# A whistle glides at one pace, in hertz a second, through a height that every recording has of its own.
since = time - {params["gap"]} / RATE
height = rng.uniform({params["lowest"]}, {params["highest"]}, (ROWS, 1))
turns = height * since + {params["pace"]} / 2 * since**2
waves = loud * np.sin(2 * np.pi * turns + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
{_lost(params)}"""


def _slur_features(params: Params, level: Level) -> str:
    gap, many = params["gap"], params["values"]
    # Who does not see the glide takes the tone about the gap to be steady.
    pace, reach = (params["pace"], 900) if level == "full" else (0, 400)
    first, last = params["lowest"] - 25, params["highest"] + 25
    return f"""
lost = np.arange({many})
since = np.arange(-{reach}, {reach}) / 8000
bend = np.exp(2j * np.pi * {pace} / 2 * since**2)
window = np.hanning(len(since))


def gone_on(some):
    # Bent straight, the glide is a steady tone: found by its peak, and gone on with through the gap.
    straight = np.fft.fft(some * window / bend, n={_BINS}, axis=1)
    best = {first} + np.abs(straight[:, {first}:{last}]).argmax(axis=1)
    turn = np.exp(2j * np.pi * best[:, None] * (lost + {reach}) / {_BINS}) * bend[lost + {reach}]
    return (straight[np.arange(len(best)), best][:, None] * turn).real / window.sum()


# A hundred rows at a time: spectra are large.
about = waves[:, {gap - reach} : {gap + reach}]
X = np.vstack([gone_on(about[start : start + 100]) for start in range(0, len(about), 100)])
"""


LOST: Final = (
    Family(
        name="beating-tones",
        modality="audio",
        task_types=("reconstruction",),
        sentence="Two tones a fixed number of hertz apart beat; both, found in all of the sound, tell what is lost.",
        draw=_draw_beat,
        script=_beat_script,
        features=_beat_features,
    ),
    Family(
        name="steady-glide",
        modality="audio",
        task_types=("reconstruction",),
        sentence="A whistle glides at a fixed pace; its height and phase at the gap, glide removed, tell what is lost.",
        draw=_draw_slur,
        script=_slur_script,
        features=_slur_features,
    ),
)
"""Families of sounds with lost samples: `hidden` is rows by six samples, 100 being 9000 steps of a file's 16 bits."""
