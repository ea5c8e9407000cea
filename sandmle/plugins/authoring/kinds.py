"""The kinds of plugin a package can begin with, in the order of the pipeline."""

from dataclasses import dataclass
from typing import Final

from sandmle.core.hooks.registry import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginKind:
    """One kind, by the word a plugin author types."""

    word: str
    registered: Kind | None
    """What is looked up by name in the registry; a check of drafts is a hook of its own and has no name there."""
    class_suffix: str
    """Ends the name of the class that the package begins with."""


KINDS: Final = tuple(
    PluginKind(word=word, registered=registered, class_suffix=suffix)
    for word, registered, suffix in (
        ("scaffold", Kind.SCAFFOLD, "Scaffold"),
        ("sandbox", Kind.SANDBOX, "Sandbox"),
        ("milestone", Kind.MILESTONE, "Milestone"),
        ("seeds", Kind.SEEDS, "Seeds"),
        ("role", Kind.ROLE, "Role"),
        ("rule", Kind.RULE, "Rule"),
        ("check", None, "Check"),
        ("provider", Kind.LLM, "Provider"),
        ("benchmark", Kind.BENCHMARK, "Benchmark"),
        ("trainer", Kind.TRAINER, "Trainer"),
        ("tracker", Kind.TRACKER, "Tracker"),
    )
)
WORDS: Final = {one.word: one for one in KINDS}
"""Word to kind."""


def word_of(registered: Kind) -> str:
    """What a plugin author calls this kind."""
    return next(one.word for one in KINDS if one.registered is registered)
