"""Who beats whom over tasks, and how well the known order of agents is found again. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Final

AGENTS: Final = ("sample", "weak", "middle", "strong", "insider")
"""From the weakest to the strongest: the sample submission, three scripted agents, and who knows the rule."""

Ranks = Mapping[str, float]
"""Agent to its HumanRank on one task; higher is better."""


def win_matrix(ranks: Sequence[Ranks], agents: Sequence[str] = AGENTS) -> dict[str, dict[str, float]]:
    """Share of tasks on which the first agent is better than the second; level counts half."""
    matrix: dict[str, dict[str, float]] = {}
    for one in agents:
        matrix[one] = {}
        for other in agents:
            duels = [_duel(row[one], row[other]) for row in ranks if one in row and other in row]
            if one != other and duels:
                matrix[one][other] = round(fmean(duels), 4)
    return matrix


def _duel(a: float, b: float) -> float:
    return 0.5 if a == b else float(a > b)


def tau(row: Ranks, agents: Sequence[str] = AGENTS) -> float:
    """Kendall's tau-a between the known order of the agents and their ranks on one task; level pairs count 0."""
    there = [one for one in agents if one in row]
    pairs = list(combinations(there, 2))
    signs = [(row[better] > row[worse]) - (row[better] < row[worse]) for worse, better in pairs]
    return fmean(signs) if signs else 0.0


def tau_by(groups: Mapping[str, str], ranks: Mapping[str, Ranks]) -> dict[str, float]:
    """Mean tau by group, and over all tasks under `all`.

    Args:
        groups: task to its group, such as its modality.
        ranks: task to the agents' ranks.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for task, row in ranks.items():
        found[groups[task]].append(tau(row))
        found["all"].append(tau(row))
    return {name: round(fmean(values), 4) for name, values in sorted(found.items())}


def table(matrix: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The win matrix for a person."""
    agents = list(matrix)
    lines = [f"{'wins against':<14}" + "".join(f"{one:>10}" for one in agents)]
    for one in agents:
        cells = "".join(f"{matrix[one][other]:>10.2f}" if other in matrix[one] else f"{'':>10}" for other in agents)
        lines.append(f"{one:<14}{cells}")
    return lines
