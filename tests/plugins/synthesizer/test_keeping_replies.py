from pathlib import Path

import pytest

from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import load_plugins
from sandmle.plugins.synthesizer.drafter import keeping_replies


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, None),
        ({"synthesis.model": "openai/gpt-5"}, "out/.replies.sqlite"),
        ({"synthesis.model": "litellm/openai/gpt-5"}, "out/.replies.sqlite"),
        ({"synthesis.role_models.technical-writer": "anthropic/claude"}, "out/.replies.sqlite"),
        ({"synthesis.model": "openai/gpt-5", "plugin.llm.litellm.cache": "mine"}, "mine"),
        ({"synthesis.model": "openai/gpt-5", "plugin.llm.litellm.cache": ""}, ""),
    ],
)
def test_replies_of_remote_models_are_kept_with_the_corpus_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], kept: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    families = ("llms", "synthesizer", "seeds", "sandboxes")
    plugins = load_plugins(builtins=[f"sandmle.plugins.{family}.plugin" for family in families])
    toolkit = keeping_replies(Toolkit(plugins=plugins, overrides=settings), Path("out"))
    assert toolkit.settings.options("llm", "litellm").get("cache") == kept
