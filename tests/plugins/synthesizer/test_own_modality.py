"""A modality that no one of us knows: a plugin's seed asks for it, and its files travel like any other."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.types.synthesis import Strategy
from tests.loopback.doors import DESCRIPTION, SCRIPT, STRATEGY

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODALITY = "x-punched-card"
CARDS = """
os.makedirs("public/cards")
for i in range(n):
    with open(f"public/cards/{ids[i]}.card", "w") as file:
        file.write("".join("o " [bit == "1"] for bit in f"{abs(int(film[i] * 1e4)):020b}"))
features = lambda i: [ids[i], film[i], humidity[i], wood[i], f"cards/{ids[i]}.card"]
names = ["door_id", "film", "humidity", "wood", "card"]
"""


async def test_a_draft_of_a_modality_of_one_s_own_becomes_a_task(stage, scripted, answers, seed) -> None:
    columns = [*STRATEGY["columns"][:4], {"name": "card", "kind": "file", "meaning": "punched card of the door"}]
    plan = {**answers["data-strategist"], "modality": MODALITY, "columns": [*columns, STRATEGY["columns"][4]]}
    head, tail = SCRIPT.split('write("public/train.csv"')
    script = f'{head}{CARDS}write("public/train.csv"{tail}'
    description = DESCRIPTION.replace("wood (kind of wood)", "wood (kind of wood), card (punched card of the door)")
    told = {
        **answers,
        "data-strategist": plan,
        "ml-developer": {"script": script},
        "technical-writer": {"description": description},
    }
    dossier = Dossier(seed=replace(seed, modality=MODALITY), index=0, rng_seed=11)
    state = await stage.play(scripted(told), dossier)
    assert "problem" not in state, state.get("problem")
    assert state["task"].spec.modality == MODALITY
    assert state["task"].spec.task_id.startswith("x-punched-card-")
    assert sum(name.endswith(".card") for name in state["task"].public) == 1320


@pytest.mark.parametrize("modality", ["punched-card", "x-", "x-Card", "x-a/../b", "X-card"])
async def test_a_name_that_is_neither_ours_nor_marked_as_one_s_own_is_refused(modality: str) -> None:
    with pytest.raises(ValidationError, match="modality"):
        Strategy.model_validate({**STRATEGY, "modality": modality})
