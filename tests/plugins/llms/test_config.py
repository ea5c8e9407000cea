"""Configuration of models reached through litellm."""

import pytest

from sandmle.core.errors import ConfigError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind


@pytest.fixture(scope="module")
def registry():
    return load_plugins(builtins=("sandmle.plugins.llms.plugin",)).registry


def test_an_option_that_sandmle_sets_itself_is_refused(registry):
    with pytest.raises(ConfigError, match="SandMLE sets seed, timeout itself"):
        registry.validate(Kind.LLM, "litellm", {"options": {"seed": 1, "timeout": 6000, "top_p": 1}})


def test_an_unknown_key_is_answered_with_the_nearest(registry):
    with pytest.raises(ConfigError, match="did you mean 'num_retries'"):
        registry.validate(Kind.LLM, "litellm", {"num_retry": 1})


def test_the_providers_are_registered(registry):
    assert {"litellm", "offline"} <= set(registry.names(Kind.LLM))
