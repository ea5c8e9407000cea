"""How many rows grade a draft of a mix."""

import json

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.player import play

from .conftest import conversation, make_dossier, make_seed


def test_pictures_are_graded_by_more_rows_where_labels_alone_are_scored() -> None:
    seed = make_seed("image", "classification", difficulty="medium")
    dossiers = [make_dossier(seed, index=index, rng_seed=index) for index in range(30)]
    plans = [json.loads(play(conversation("data-strategist", one))) for one in dossiers]
    rows: dict[bool, list[int]] = {True: [], False: []}
    for plan in plans:
        rows[METRICS[plan["metric"]].prediction is Prediction.LABEL].append(plan["private_board_rows"])
    assert min(rows[True]) >= 1100 >= max(rows[False])
