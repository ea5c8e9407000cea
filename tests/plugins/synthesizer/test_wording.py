import pytest

from sandmle.core.types.synthesis import Strategy
from sandmle.plugins.synthesizer.wording import check_description, rule_words

TEXT = (
    "# Doors\n\nFiles: train.csv, test.csv, sample_submission.csv. Columns: `film` (micrometres), `door_id`, "
    "`minutes`. "
    "Scored by rmse, lower is better. The well-known booth - see the plan - is noisy."
)


def strategy(**changes: object) -> Strategy:
    plan = {
        "title": "Drying time of doors",
        "domain": "joinery",
        "scenario": "A workshop plans when a painted door can be packed after it has left the booth.",
        "modality": "tabular",
        "task_type": "regression",
        "metric": "rmse",
        "train_rows": 100,
        "public_board_rows": 200,
        "private_board_rows": 1000,
        "columns": [
            {"name": "door_id", "kind": "id", "meaning": "number of the door"},
            {"name": "film", "kind": "number", "meaning": "thickness of the paint film in micrometres after the coat"},
            {"name": "minutes", "kind": "target", "meaning": "minutes until dry"},
        ],
        "rule_family": "gated-sum",
        "hidden_rule": "Take the thickness of the paint film in micrometres after the coat; minutes = 4*film + 2 when "
        "film > 1.5 and otherwise the door dries in exactly forty minutes whatever happens.",
        "noise_families": ["gaussian"],
        "noise": "standard deviation one",
    }
    return Strategy.model_validate({**plan, **changes})


def test_a_description_that_a_terminal_would_obey_is_sent_back() -> None:
    assert check_description(f"{TEXT}\x1b[2J", strategy()) == ["write plain text, without control characters"]
    assert check_description(f"{TEXT}\r\n\t\u00a0fine", strategy()) == []


def test_a_description_that_says_what_it_must_and_no_more_is_fine() -> None:
    assert check_description(TEXT, strategy()) == []


@pytest.mark.parametrize(
    ("cut", "complaint"),
    [
        ("`film`", "column 'film' is not named"),
        ("rmse", "the metric 'rmse' is not named"),
        ("sample_submission.csv", "the file sample_submission.csv is not named"),
    ],
)
def test_what_is_not_named_is_said(cut: str, complaint: str) -> None:
    assert check_description(TEXT.replace(cut, "it"), strategy()) == [complaint]


def test_a_name_inside_another_name_does_not_count() -> None:
    assert check_description(TEXT.replace("`film`", "`film_2`"), strategy()) == ["column 'film' is not named"]


@pytest.mark.parametrize(
    "telling",
    [
        "Remember: minutes=4 * FILM+2.",
        "It changes when film > 1.5 and = 2",
        "Otherwise the door dries in exactly forty minutes.",
        "This is a gated sum.",
        "This is a Gated-Sum.",
    ],
)
def test_words_of_the_rule_are_found(telling: str) -> None:
    assert (
        len(
            check_description(
                f"{TEXT}\n{telling}",
                strategy(
                    hidden_rule=(
                        "minutes = 4*film + 2 when film > 1.5 and = 2, "
                        "otherwise the door dries in exactly forty minutes."
                    )
                ),
            )
        )
        == 1
    )


def test_the_meaning_of_a_column_may_be_said_even_when_the_rule_repeats_it() -> None:
    meaning = "the thickness of the paint film in micrometres after the coat"
    assert list(rule_words(f"{TEXT}\n`film` is {meaning}.", strategy())) == []


def test_a_family_that_the_scenario_names_itself_may_be_named() -> None:
    plan = strategy(scenario="The gated sum is what this workshop calls the door at the end of the painting booth.")
    assert list(rule_words(f"{TEXT} It is called the gated sum.", plan)) == []


def test_a_book_is_too_long() -> None:
    assert "at most 20000" in check_description(TEXT + "x" * 20_000, strategy())[0]
