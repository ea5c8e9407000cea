"""Episodes on other hosts than the rollout engines: played by a Ray actor wherever the cluster has a named resource.

Sandbox, grader and records are that host's. It asks the engine back by the handle of its actor, so that nothing but ids
and log-probs travels between them.
"""

import atexit
from pathlib import Path
from typing import Any, Final

import ray

from sandmle.core.engine.crews import CLOSE_DEADLINE_S, START_DEADLINE_S
from sandmle.core.engine.recording import NO_ACTION
from sandmle.core.errors import ProviderError, boundary
from sandmle.plugins.trainers.openrlhf.answering import Player
from sandmle.plugins.trainers.openrlhf.samples import Asked, Response, invalid_response

SHARE: Final = 0.001
"""Of the resource, for each rollout engine's host: it says where, and not how many."""
AT_ONCE: Final = 1000
"""Episodes of one host; OpenRLHF asks for so many, and `run.cells_at_once` bounds what runs."""


class EpisodeHost:
    """The actor; wrapped for Ray by `Elsewhere`."""

    def __init__(self, file: str) -> None:
        self._player = Player(Path(file))
        atexit.register(self._player.close)

    async def ready(self) -> None:
        """Everything is open."""

    async def answer(self, asked: Asked, engine: Any, sampling: Any, max_length: int, tokenizer: Any) -> Response:
        """Play one episode with an engine in another process."""
        asking = HandleEngine(engine)
        return await self._player.answer(asked, asking, sampling=sampling, max_length=max_length, tokenizer=tokenizer)


class HandleEngine:
    """A rollout actor, asked by its handle on the event loop of another actor."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def generate(self, prompt_token_ids: list[int], sampling_params: Any, multi_modal_data: Any = None) -> Any:
        """One completion: vLLM's `RequestOutput`."""
        return await self._handle.generate.remote(prompt_token_ids, sampling_params)


class Elsewhere:
    """Stands in the rollout actor for a player on another host."""

    def __init__(self, file: Path, resource: str) -> None:
        """Start the host, and wait until it is ready.

        Args:
            file: the resolved configuration, which every node sees.
            resource: of the cluster.

        Raises:
            ProviderError: it cannot be started.
        """
        made = ray.remote(EpisodeHost).options(
            num_cpus=0,
            resources={resource: SHARE},
            max_concurrency=AT_ONCE,
            max_restarts=-1,
            # Also because the engines' placement group captures whatever names no strategy, and has no such host.
            scheduling_strategy="SPREAD",
        )
        self._host = made.remote(str(file))
        self._tokenizers: dict[str, Any] = {}
        with boundary(ProviderError, f"no host with the resource {resource!r} can play episodes"):
            ray.get(self._host.ready.remote(), timeout=START_DEADLINE_S + CLOSE_DEADLINE_S)

    async def answer(self, asked: Asked, engine: Any, *, sampling: Any, max_length: int, tokenizer: Any) -> Response:
        """Have one episode played there. A host that is lost makes it invalid, and is started anew."""
        name = str(tokenizer.name_or_path)
        if name not in self._tokenizers:
            self._tokenizers[name] = ray.put(tokenizer)
        itself = ray.get_runtime_context().current_actor
        try:
            with boundary(ProviderError, "the host that plays episodes"):
                found: Response = await self._host.answer.remote(
                    asked, itself, sampling, max_length, self._tokenizers[name]
                )
                return found
        except ProviderError as problem:
            return invalid_response(asked, f"{type(problem).__name__}: {problem}", NO_ACTION)

    def close(self) -> None:
        """The host ends with the actor that started it."""
