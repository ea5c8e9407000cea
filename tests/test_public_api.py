"""The public surface is a decision, not an accident."""

import importlib

import sandmle


def test_all_is_sorted_and_every_name_exists():
    assert sandmle.__all__ == sorted(sandmle.__all__)
    assert [name for name in sandmle.__all__ if not hasattr(sandmle, name)] == []


def test_every_public_class_says_what_it_is():
    unsaid = [name for name in sandmle.__all__ if not (getattr(sandmle, name).__doc__ or "").strip()]
    assert unsaid == []


def test_every_default_plugin_imports_and_brings_a_hook():
    from sandmle.core.hooks.manager import DEFAULT_PLUGINS

    for name in DEFAULT_PLUGINS:
        module = importlib.import_module(name)
        assert [attr for attr in vars(module) if attr.startswith("sandmle_")], name
