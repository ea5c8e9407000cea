"""A checkpoint's tokenizer and chat format on disk: ours, or those of any folder that transformers opens.

A folder of another origin has a chat template in place of `chat_format.json`. Its markup is read off the template's
first turn, and conversations are the concatenation of their messages from there on; whether the template itself would
have done so is remembered, for those who imitate conversations that it has rendered.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from sandmle.core.engine.chat_templates import TemplateError, prove_template, read_template
from sandmle.core.errors import ConfigError, ProviderError, boundary
from sandmle.core.types.chat_format import FORMATS, ChatFormat
from sandmle.plugins.llms.local.codec import Codec
from sandmle.plugins.llms.local.config import FormatName
from sandmle.plugins.llms.local.tokenizer import SPECIAL_TOKENS

log = logging.getLogger(__name__)

FORMAT_FILE: Final = "chat_format.json"
TOKENIZER_FILE: Final = "tokenizer.json"
TEMPLATE_FILE: Final = "chat_template.jinja"
_CONFIG_FILE: Final = "tokenizer_config.json"
_CARRIED: Final = (
    *(TOKENIZER_FILE, _CONFIG_FILE, "special_tokens_map.json", "added_tokens.json", "generation_config.json"),
    *("vocab.json", "merges.txt", "tokenizer.model"),
)
"""Written with every checkpoint as they were read."""
_ADVICE: Final = (
    'set plugin.llm.local.chat_format to "chatml", "qwen3" or "llama3", whichever its tokens are made for, or write '
    f"{FORMAT_FILE} beside the weights (docs/training-local.md)"
)


def read_codec(path: Path, choice: FormatName | None) -> Codec:
    """The codec of a checkpoint directory.

    Args:
        path: of the directory.
        choice: the format of a checkpoint that has no `chat_format.json`; None reads it off its chat template.

    Raises:
        ConfigError: a file is missing or broken, the tokenizer does not know the format's tokens, or the template adds
            text of its own.
    """
    tokenizer = _read_tokenizer(path / TOKENIZER_FILE)
    chat_format, unproven = _read_format(path / FORMAT_FILE), None
    if chat_format is None and choice is not None:
        chat_format = FORMATS[choice]
    elif chat_format is None:
        chat_format, unproven = _read_off(path)
    try:
        return Codec(tokenizer, chat_format, files=_read_files(path), unproven=unproven)
    except ValueError as problem:
        raise ConfigError(f"{path}: {problem}; {_ADVICE}") from problem


def write_codec(codec: Codec, path: Path) -> None:
    """Write tokenizer, format, and a template that does what the format says, for others to open."""
    for name, content in codec.files.items():
        (path / name).write_bytes(content)
    if TOKENIZER_FILE not in codec.files:
        made = PreTrainedTokenizerFast(
            tokenizer_object=codec.tokenizer, pad_token=SPECIAL_TOKENS[0], eos_token=codec.chat_format.end
        )
        made.save_pretrained(path)
    (path / FORMAT_FILE).write_text(codec.chat_format.model_dump_json(indent=1), "utf-8")
    (path / TEMPLATE_FILE).write_text(codec.chat_format.jinja(), "utf-8")


def _read_off(path: Path) -> tuple[ChatFormat, str | None]:
    """The format of a template's first turn, and why it is not that of all turns, if so."""
    transformers_logging.disable_progress_bar()
    try:
        with boundary(ProviderError, f"{path} has no tokenizer that transformers opens"):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(path, local_files_only=True)
    except ProviderError as problem:
        raise ConfigError(str(problem)) from problem
    if not tokenizer.chat_template:
        raise ConfigError(f"{path} has neither {FORMAT_FILE} nor a chat template: {_ADVICE}")
    try:
        found = read_template(tokenizer)
    except TemplateError as problem:
        raise ConfigError(f"{path}: {problem}: {_ADVICE}") from problem
    try:
        prove_template(tokenizer)
    except TemplateError as problem:
        log.warning(
            "%s: conversations are concatenated under its template's markup, and what is trained from it gets a "
            "template that does so; its own does more: %s",
            path,
            problem,
        )
        return found, str(problem)
    return found, None


def _read_format(path: Path) -> ChatFormat | None:
    try:
        return ChatFormat.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError) as problem:
        raise ConfigError(f"{path} is no chat format: {problem}") from None


def _read_files(path: Path) -> Mapping[str, bytes]:
    found = {name: (path / name).read_bytes() for name in _CARRIED if (path / name).is_file()}
    if _CONFIG_FILE in found:
        # A template in there would stand beside the one that is written.
        config = json.loads(found[_CONFIG_FILE])
        config.pop("chat_template", None)
        found[_CONFIG_FILE] = json.dumps(config, indent=2).encode()
    return found


def _read_tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        raise ConfigError(
            f"{path.parent} has no {path.name}; a tokenizer of another kind can be saved as one by transformers"
        )
    try:
        # The tokenizers library raises bare Exception for a file it cannot read.
        with boundary(ProviderError, f"{path} is no tokenizer"):
            return Tokenizer.from_str(path.read_text("utf-8"))
    except ProviderError as problem:
        raise ConfigError(str(problem)) from problem
