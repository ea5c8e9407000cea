"""Every exception of litellm has a meaning here: a new upstream one fails this file."""

import inspect

import pytest

from sandmle.plugins.llms.client import exceptions
from sandmle.plugins.llms.failures import VERDICTS, is_authentication, verdict_on

UPSTREAM = sorted(name for name, one in vars(exceptions).items() if inspect.isclass(one) and issubclass(one, Exception))


@pytest.mark.parametrize("name", UPSTREAM)
def test_every_exception_of_litellm_is_in_the_table(name):
    assert name in VERDICTS, f"litellm has a new exception {name}: say in failures.py what it means"


def test_the_table_names_nothing_that_litellm_does_not_have():
    assert set(VERDICTS) <= set(UPSTREAM)


def test_only_what_passes_by_itself_is_tried_again():
    again = {name for name, verdict in VERDICTS.items() if verdict.retry}
    assert {"RateLimitError", "InternalServerError", "ServiceUnavailableError", "APIConnectionError"} <= again
    assert not again & {"AuthenticationError", "BadRequestError", "ContextWindowExceededError", "NotFoundError"}


def test_a_subclass_unknown_to_the_table_takes_its_parents_verdict():
    class Newer(exceptions.RateLimitError):
        pass

    problem = Newer("slow down", "openai", "gpt-5")
    assert verdict_on(problem) is VERDICTS["RateLimitError"]
    assert verdict_on(ValueError("x")) is None
    assert is_authentication(exceptions.AuthenticationError("x", "openai", "gpt-5"))
    assert not is_authentication(problem)
