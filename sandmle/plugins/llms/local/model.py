"""`local/PATH`: opens checkpoints and answers with them, token-exactly; a trainer may change their weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from sandmle.core.contracts.policy import AdapterShape, EncodedMessage, PolicyShape
from sandmle.core.errors import ConfigError, ProviderError, boundary
from sandmle.core.types.chat_format import ChatFormat
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, Usage
from sandmle.plugins.llms.local.batching import Batcher
from sandmle.plugins.llms.local.checkpoint import create_module, load, resolve, save
from sandmle.plugins.llms.local.codec import Codec
from sandmle.plugins.llms.local.codec_files import read_codec
from sandmle.plugins.llms.local.config import Dtype, LocalConfig
from sandmle.plugins.llms.local.generation import Generator, Request
from sandmle.plugins.llms.local.pacing import pace_of
from sandmle.plugins.llms.local.placing import DTYPES, choose_device, settle, train_all
from sandmle.plugins.llms.local.tokenizer import build_tokenizer

PREFIX: Final = "local/"


class LocalProvider:
    """Opens `local/PATH`, and makes policies from scratch."""

    def __init__(self, config: LocalConfig) -> None:
        self._config = config

    def open_model(self, model: str) -> "LocalModel":
        """Open the checkpoint at PATH; `local//home/me/policy` is an absolute one.

        Raises:
            ConfigError: there is no usable checkpoint; the message says why.
        """
        path = Path(model.removeprefix(PREFIX)).expanduser()
        if not model.removeprefix(PREFIX):
            raise ConfigError("local/ names no checkpoint; write local/PATH")
        torch.set_num_threads(self._config.threads)
        module, codec = load(path, choose_device(self._config.device), self._config.chat_format)
        settle(module, self._config.dtype)
        return LocalModel(model, module, codec, config=self._config)

    def open_codec(self, model: str) -> Codec:
        """Read the tokenizer and the chat format of the checkpoint at PATH; its weights need not be there.

        Raises:
            ConfigError: one of them is missing or broken.
        """
        return read_codec(resolve(Path(model.removeprefix(PREFIX)).expanduser()), self._config.chat_format)

    def create_policy(self, texts: Sequence[str], shape: PolicyShape, rng_seed: int, path: Path) -> None:
        """Make a tokenizer from `texts` alone and a decoder with random weights; write both to `path`.

        Raises:
            ConfigError: the shape cannot be built.
            StoreError: it could not be written.
        """
        torch.set_num_threads(self._config.threads)
        try:
            with boundary(ProviderError, "no policy of this shape can be made"):
                tokenizer = build_tokenizer(texts, shape.vocabulary)
                module = create_module(tokenizer, shape, rng_seed)
        except ProviderError as problem:
            raise ConfigError(str(problem)) from problem
        save(module, Codec(tokenizer, ChatFormat()), path)


class LocalModel:
    """One checkpoint in memory. Requests that come together are decoded together."""

    def __init__(self, name: str, module: Any, codec: Codec, *, config: LocalConfig) -> None:
        self._name = name
        self._codec = codec
        self._dtype: Dtype = config.dtype
        self._generator = Generator(module, codec, DTYPES[config.dtype], pace_of(module, config))
        self._batcher = Batcher(self._generator.generate, window_s=config.window_s, max_batch=config.max_batch)

    @property
    def name(self) -> str:
        return self._name

    @property
    def module(self) -> Any:
        return self._generator.module

    @property
    def context_tokens(self) -> int:
        tokens: int = self.module.config.max_position_embeddings
        return tokens

    @property
    def dtype(self) -> Dtype:
        return self._dtype

    @property
    def begin_ids(self) -> tuple[int, ...]:
        return self._codec.begin_ids

    @property
    def unproven(self) -> str | None:
        return self._codec.unproven

    def encode(self, message: Message) -> EncodedMessage:
        return self._codec.message(message)

    def add_adapter(self, shape: AdapterShape, rng_seed: int) -> None:
        # peft takes seconds to import, and most policies have no adapter.
        from sandmle.plugins.llms.local.adapter import add_adapter  # noqa: PLC0415

        if not hasattr(self.module, "peft_config"):
            self._generator.module = add_adapter(self.module, shape, rng_seed)
            settle(self.module, self._dtype)
            self._generator.forget()

    def train_all(self) -> None:
        train_all(self.module)
        self._generator.forget()

    def weights_changed(self) -> None:
        self._generator.forget()

    def save(self, path: Path, below: Path | None = None) -> None:
        save(self.module, self._codec, path, below)

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """Sample one answer. A conversation that leaves no room for one gets finish reason `context`.

        Raises:
            ProviderError: the weights give no probabilities, torch failed, or functions were offered to be called.
        """
        if options.tools:
            raise ProviderError(
                f"model {self._name!r}: a local checkpoint makes no native tool calls; under the scaffold openai_tools "
                'set plugin.scaffold.openai_tools.calls = "text"'
            )
        prompt = self._codec.prompt(messages)
        room = min(options.max_tokens, self.context_tokens - len(prompt))
        if room < 1:
            return ModelReply(text="", finish_reason="context")
        request = Request(
            prompt=prompt,
            room=room,
            temperature=options.temperature,
            sample_index=options.sample_index,
            stop=options.stop,
        )
        with boundary(ProviderError, f"model {self._name!r}"):
            sampled = await self._batcher.submit(request)
        return ModelReply(
            text=sampled.text,
            finish_reason=sampled.finish_reason,
            usage=Usage(prompt_tokens=len(prompt), completion_tokens=len(sampled.ids)),
            prompt_ids=prompt,
            sampled_ids=tuple(sampled.ids),
            log_probs=tuple(sampled.log_probs),
        )

    async def close(self) -> None:
        await self._batcher.close()
