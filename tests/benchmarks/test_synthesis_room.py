import pytest


def test_plans_are_made_until_there_are_enough_and_none_of_the_first_repeats_another() -> None:
    from synthesis_parts.room import room, room_lines

    found = room(30, 1, "paper", 0.9)
    assert found["tasks"] == 30
    assert 30 <= found["drafts"] <= 60
    assert found["near_duplicates"] == pytest.approx([0.0] * len(found["near_duplicates"]))
    assert room_lines(found)[0].startswith(f"30 of 30 tasks planned in {found['drafts']} drafts, by ")
    assert room(30, 1, "paper", 0.9) == found


def test_a_mix_whose_drafts_all_fail_is_at_its_end() -> None:
    from synthesis_parts.room import MOST_DRAFTS, room

    assert room(4, 1, "even", 1.0)["drafts"] == 4
    found = room(4, 1, "even", 0.0)
    assert (found["tasks"], found["drafts"]) == (0, MOST_DRAFTS * 4)
