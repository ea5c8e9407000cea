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


def test_an_unknown_key_of_one_models_options_is_answered_with_the_nearest(registry):
    with pytest.raises(ConfigError, match=r"models\.openai/gpt-5\.temprature'; did you mean 'temperature'"):
        registry.validate(Kind.LLM, "litellm", {"models": {"openai/gpt-5": {"temprature": 1}}})


@pytest.mark.parametrize(
    "section",
    [
        {"api_key": "sk-hush"},
        {"options": {"api_key": "sk-hush"}},
        {"models": {"openai/*": {"apikey": "sk-hush"}}},
        {"extra_headers": {"Authorization": "Bearer sk-hush"}},
        {"api_base": "https://me:sk-hush@example.test/v1"},
        {"api_base": "https://example.test/v1?key=sk-hush"},
    ],
)
def test_a_key_is_refused_wherever_it_stands_and_is_not_said_again(registry, section):
    with pytest.raises(ConfigError, match="keys come from the environment") as caught:
        registry.validate(Kind.LLM, "litellm", section)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["localhost:8000/v1", "http://", "ftp://host/v1", "http://host:port/v1", "http://host:70000", "http://a b"],
)
def test_what_is_no_address_is_refused(registry, address):
    with pytest.raises(ConfigError, match=r"plugin\.llm\.litellm\.api_base: "):
        registry.validate(Kind.LLM, "litellm", {"api_base": address})


def test_the_providers_are_registered(registry):
    assert {"litellm", "offline"} <= set(registry.names(Kind.LLM))
