"""Win matrices and Kendall's tau of agents whose order is known."""

import pytest

AGENTS = ("sample", "weak", "middle", "strong", "insider")
ORDERED = dict(zip(AGENTS, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
REVERSED = dict(zip(AGENTS, (0.5, 0.4, 0.3, 0.2, 0.1), strict=True))


def test_tau_is_one_in_order_minus_one_reversed_and_level_pairs_count_nothing():
    from synthesis_parts.figures import tau

    assert (tau(ORDERED), tau(REVERSED)) == (1, -1)
    assert tau(dict.fromkeys(AGENTS, 0.3)) == 0
    assert tau({"weak": 0.1, "strong": 0.4}) == 1
    assert tau({**ORDERED, "weak": 0.1}) == pytest.approx(0.9)


def test_wins_are_shares_of_tasks_and_level_counts_half():
    from synthesis_parts.figures import table, win_matrix

    matrix = win_matrix([ORDERED, REVERSED, {**ORDERED, "weak": 0.1}])
    assert matrix["strong"]["weak"] == pytest.approx(2 / 3, abs=1e-4)
    assert matrix["weak"]["sample"] == pytest.approx((1 + 0 + 0.5) / 3, abs=1e-4)
    assert matrix["strong"]["weak"] + matrix["weak"]["strong"] == pytest.approx(1)
    assert "strong" not in matrix["strong"]
    assert len(table(matrix)) == len(AGENTS) + 1


def test_tau_is_averaged_by_group_and_over_all():
    from synthesis_parts.figures import tau_by

    taus = tau_by({"a": "image", "b": "image", "c": "text"}, {"a": ORDERED, "b": REVERSED, "c": ORDERED})
    assert taus == {"all": pytest.approx(1 / 3, abs=1e-4), "image": 0, "text": 1}


def test_growth_compares_what_a_task_of_either_half_cost():
    from synthesis_parts.making import Making, as_data

    def call(accepted: int, made: int, core_s: float) -> Making:
        return Making(
            accepted=accepted, made=made, drafts=accepted + 5, rejections={}, wall_s=1, core_s=core_s, peak_mb=9
        )

    found = as_data((call(10, 10, 50), call(20, 10, 60)))
    assert (found["growth"], found["yield"]) == (1.2, 0.8)
