"""Processor time by stage, and corpora that are made again and killed on the way."""

import subprocess
import sys
from typing import TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

BURN = "import time\nwhile time.process_time() < {seconds}: pass"


class Words(TypedDict):
    said: str


def burn(seconds: float) -> None:
    subprocess.run([sys.executable, "-c", BURN.format(seconds=seconds)], check=True)


def test_what_ended_children_used_is_counted() -> None:
    from synthesis_parts.stages import processor_s

    before = processor_s()
    burn(0.3)
    assert processor_s() - before > 0.25


async def test_a_watched_graph_comes_to_the_same_and_lays_time_at_the_node_that_took_it() -> None:
    from synthesis_parts.stages import Watched

    def idle(state: Words) -> Words:
        return {"said": f"{state['said']} idled"}

    def work(state: Words) -> Words:
        burn(0.4)
        return {"said": f"{state['said']} worked"}

    graph: StateGraph[Words] = StateGraph(Words)
    graph.add_node("idle", idle)
    graph.add_node("work", work)
    for one, other in ((START, "idle"), ("idle", "work"), ("work", END)):
        graph.add_edge(one, other)
    spent: dict[str, float] = {}
    watched = Watched(graph.compile(), spent)
    assert await watched.ainvoke({"said": "it"}, context=None) == {"said": "it idled worked"}
    assert spent["work"] > max(0.35, spent["idle"])


def test_stages_are_shown_with_their_sum() -> None:
    from synthesis_parts.stages import stage_lines

    lines = stage_lines({"drafts": 3, "core_s_per_draft": {"ml-developer": 0.5, "evidence": 1.25}})
    assert lines == ["core seconds of each of 3 drafts: 1.75", "   0.500  ml-developer", "   1.250  evidence"]


@pytest.mark.parametrize(("lasts_s", "after_s", "killed"), [(60, 0.2, True), (0, 60, False)])
def test_a_program_is_killed_unless_it_has_ended(lasts_s: float, after_s: float, killed: bool) -> None:
    from synthesis_parts.proving import is_killed

    code = f"import time; time.sleep({lasts_s})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert is_killed(process, after_s) is killed
    assert process.returncode == (-9 if killed else 0)


def test_a_proof_says_whether_all_ways_came_to_one_corpus() -> None:
    from synthesis_parts.proving import proof_lines

    hashes = {"workers 1": "a" * 64, "killed 10 times": "b" * 64}
    lines = proof_lines({"tasks": 12, "kills": 10, "manifest_sha256": hashes, "one_corpus": False})
    assert lines[0] == "12 tasks made again: NOT ONE CORPUS"
    assert lines[1:] == [f"  {'a' * 16}  workers 1", f"  {'b' * 16}  killed 10 times"]
