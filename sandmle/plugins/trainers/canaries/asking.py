"""A token-exact chat model as the engine that a canary looks at."""

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.errors import PluginError
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.trainers.canaries.sync import Probe


class ChatEngine:
    """Asks a chat model."""

    def __init__(self, model: ChatModel, temperature: float) -> None:
        self._model = model
        self._temperature = temperature

    async def answer(self, question: str, tokens: int, sample_index: int) -> Probe:
        """Sample an answer.

        Raises:
            PluginError: the model does not say which ids it sampled, or has no room to.
            ProviderError: it failed.
        """
        options = ReplyOptions(temperature=self._temperature, max_tokens=tokens, sample_index=sample_index)
        reply = await self._model.reply([Message(role="user", content=question)], options)
        if not (reply.prompt_ids and reply.sampled_ids and reply.log_probs):
            why = (
                "its context is too small for a question" if reply.finish_reason == "context" else "it is another kind"
            )
            raise PluginError(
                f"model {self._model.name!r} gives no sampled ids with log-probs ({why}): no canary can look"
            )
        return Probe(prompt_ids=reply.prompt_ids, sampled_ids=reply.sampled_ids, log_probs=reply.log_probs)
