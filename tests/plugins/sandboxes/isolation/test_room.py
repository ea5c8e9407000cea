"""What is enclosed how strongly, and what an interpreter needs to see."""

import os
import sys
from pathlib import Path

from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.isolation import Plan, interpreter_paths, plans, session_uid


def test_plans_go_from_strong_to_weak_and_unsafe_only_when_allowed() -> None:
    levels = [plan.level for plan in plans(IsolationLevel.L3, allow_unsafe=True)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] is IsolationLevel.L0
    assert IsolationLevel.L0 not in {plan.level for plan in plans(IsolationLevel.L3, allow_unsafe=False)}
    assert {plan.level for plan in plans(IsolationLevel.L2, allow_unsafe=False)} == {IsolationLevel.L2}
    assert Plan(namespaces=True).level is IsolationLevel.L3


def test_the_interpreter_is_seen_and_its_surroundings_are_not() -> None:
    paths = [Path(path) for path in interpreter_paths()]
    assert any(Path(os.__file__).resolve().is_relative_to(path.resolve()) for path in paths)
    outside = [Path.home(), Path.cwd(), Path("/"), Path("/etc"), Path("/var"), Path("/tmp"), Path(sys.prefix).parent]
    for place in outside:
        assert not any(place.is_relative_to(path) for path in paths if path.is_dir()), place


def test_user_ids_of_sessions_are_nobodys_and_differ() -> None:
    ids = [session_uid(number) for number in range(4096)]
    assert len(set(ids)) == 4096
    assert min(ids) >= 200_000
