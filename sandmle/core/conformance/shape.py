"""Has a plugin's object what its contract asks for, by names and signatures? Nothing of the object is called."""

import inspect
from collections.abc import Callable
from typing import Any

from sandmle.core.errors import PluginError, nearest


def check_shape(thing: object, contract: type, what: str) -> None:
    """See that an object has every member of a contract, and that its methods take what they will be called with.

    Args:
        thing: the plugin's object.
        contract: one of the Protocols of `sandmle.core.contracts`.
        what: names the object in messages, such as `scaffold 'mine'`.

    Raises:
        PluginError: a member is missing or cannot be called as the contract says; each is named.
    """
    if isinstance(thing, type):
        raise PluginError(f"{what} is the class {thing.__name__} itself; make() has to return an object of it")
    names = [name for name in dir(contract) if not name.startswith("_")]
    problems = [problem for name in names if (problem := _problem(thing, contract, name))]
    if problems:
        raise PluginError(f"{what} does not keep the contract {contract.__name__}: {'; '.join(problems)}")


def check_name(found: object, registered: str, what: str) -> None:
    """See that an object goes by the name it is registered by.

    Raises:
        PluginError: it does not.
    """
    if found != registered:
        raise PluginError(
            f"{what}: its `name` is {found!r}, but it is registered as {registered!r}; give both the same name"
        )


def check_callable(found: Callable[..., Any], wanted: Callable[..., Any], name: str) -> str | None:
    """What is wrong with the signature of `found`, which is called as `wanted` is; None when nothing is."""
    asked = [one for one in inspect.signature(wanted).parameters.values() if one.name != "self"]
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        # Some callables written in C tell nothing of themselves; calling them will show.
        return None
    by_name = {one.name: None for one in asked if one.kind is inspect.Parameter.KEYWORD_ONLY}
    by_place = [None for one in asked if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    try:
        signature.bind(*by_place, **by_name)
    except TypeError as problem:
        called = ", ".join(one.name for one in asked)
        return f"`{name}{_words(signature)}` cannot be called as `{name}({called})`: {problem}"
    return None


def _problem(thing: object, contract: type, name: str) -> str | None:
    wanted = inspect.getattr_static(contract, name, None)
    found = inspect.getattr_static(thing, name, None) or getattr(type(thing), name, None)
    if found is None and not hasattr(thing, name):
        return f"it has no `{name}`; {nearest(name, _own_names(thing))}"
    if isinstance(wanted, property) or not callable(wanted):
        return _data_problem(thing, found, name)
    found = getattr(thing, name)
    if not callable(found):
        return f"`{name}` is a {type(found).__name__}, not a method"
    if inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        return f"`{name}` has a `yield` in it, so that calling it does nothing"
    if inspect.iscoroutinefunction(found) and not inspect.iscoroutinefunction(wanted):
        return f"`{name}` must be a plain function, not `async def`"
    return check_callable(found, wanted, name)


def _data_problem(thing: object, found: object, name: str) -> str | None:
    if inspect.isfunction(found):
        return f"`{name}` is a method; make it a property (`@property`) or an attribute"
    if isinstance(found, property):
        return None
    return f"`{name}` is empty" if getattr(thing, name, None) in (None, "") else None


def _own_names(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def _words(signature: inspect.Signature) -> str:
    return "(" + ", ".join(str(one.replace(annotation=one.empty)) for one in signature.parameters.values()) + ")"
