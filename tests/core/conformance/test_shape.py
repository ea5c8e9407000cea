import pytest

from sandmle.core.conformance.shape import check_name, check_shape
from sandmle.core.contracts.milestone import Milestone
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.scaffold import Scaffold
from sandmle.core.errors import PluginError


class Good:
    name = "good"

    async def run(self, episode):
        pass

    def mermaid(self):
        return ""


class Renamed(Good):
    async def run(self, context, *, patience=3):
        pass


class TakesAnything(Good):
    def __getattr__(self, name):
        raise AttributeError(name)

    async def run(self, *args, **kwargs):
        pass


class NamedByProperty(Good):
    @property
    def name(self):
        raise RuntimeError("known after start")


@pytest.mark.parametrize(
    "thing", [Good(), Renamed(), TakesAnything(), NamedByProperty()], ids=lambda one: str(type(one))
)
def test_what_can_be_called_as_the_contract_says_passes(thing):
    check_shape(thing, Scaffold, "scaffold 'good'")


def test_a_wrapper_that_hands_on_attributes_passes():
    class Inner:
        name, level = "inner", "L2"

        async def start(self): ...
        def session(self, *, public_dir, limits): ...
        async def check_health(self): ...
        async def close(self): ...

    class Wrapper:
        def __init__(self):
            self._inner = Inner()

        def __getattr__(self, name):
            return getattr(self._inner, name)

    check_shape(Wrapper(), Sandbox, "sandbox 'wrapper'")


class NoRun:
    name = "x"

    async def runs(self, episode): ...
    def mermaid(self): ...


class TooFew(Good):
    async def run(self): ...


class TooMany(Good):
    async def run(self, episode, model): ...


class Yields(Good):
    async def run(self, episode):
        yield 1


class NameIsAMethod(Good):
    def name(self):
        return "x"


class NameIsEmpty(Good):
    name = ""


class AsyncPicture(Good):
    async def mermaid(self): ...


class RunIsText(Good):
    run = "fast"


@pytest.mark.parametrize(
    ("thing", "complaint"),
    [
        (NoRun(), "it has no `run`; did you mean 'runs'?"),
        (TooFew(), "`run()` cannot be called as `run(episode)`: too many positional arguments"),
        (TooMany(), "`run(episode, model)` cannot be called as `run(episode)`: missing a required argument: 'model'"),
        (Yields(), "`run` has a `yield` in it"),
        (NameIsAMethod(), "`name` is a method; make it a property"),
        (NameIsEmpty(), "`name` is empty"),
        (AsyncPicture(), "`mermaid` must be a plain function, not `async def`"),
        (RunIsText(), "`run` is a str, not a method"),
        (Good, "is the class Good itself; make() has to return an object of it"),
        (None, "it has no `mermaid`"),
    ],
)
def test_what_is_wrong_with_a_signature_is_said_in_words(thing, complaint):
    with pytest.raises(PluginError) as caught:
        check_shape(thing, Scaffold, "scaffold 'x'")
    assert complaint in str(caught.value)
    assert "scaffold 'x'" in str(caught.value)


def test_every_problem_is_told_at_once():
    with pytest.raises(PluginError, match=r"no `name`.*no `value`"):
        check_shape(object(), Milestone, "milestone 'x'")


def test_two_names_for_one_thing_are_refused():
    with pytest.raises(PluginError, match="its `name` is 'b', but it is registered as 'a'"):
        check_name("b", "a", "scaffold 'a'")
