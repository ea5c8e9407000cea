"""The class that OpenRLHF's agent file offers: it plays one whole episode of our own engine for each sample.

OpenRLHF makes it inside the rollout actor before the engine is loaded, and gathers `execute` without catching anything:
one exception would end the training. None leaves here. An episode that the infrastructure failed is marked invalid.
"""

import atexit
from typing import Any

from openrlhf.utils.agent import AgentExecutorBase

from sandmle.core.engine.toolkit import open_toolkit
from sandmle.plugins.trainers.openrlhf.answering import Player
from sandmle.plugins.trainers.openrlhf.codecs import configuration_file
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.hosting import Elsewhere
from sandmle.plugins.trainers.openrlhf.samples import Asked, Response


class AgentExecutor(AgentExecutorBase):  # type: ignore[misc]
    """Whole episodes, one per call."""

    def __init__(self) -> None:
        """Open everything episodes are played with, here or where `sandbox_resource` says.

        Raises:
            UsageError: there is no usable configuration, or its tasks cannot be read.
            InfrastructureError: the sandbox cannot be started.
        """
        file = configuration_file()
        section = open_toolkit(file=file).settings.options("trainer", "openrlhf")
        resource = OpenRlhfConfig.model_validate(section).sandbox_resource
        self.player: Player | Elsewhere = Player(file) if resource is None else Elsewhere(file, resource)
        atexit.register(self.close)

    async def execute(
        self,
        prompt: str,
        label: str,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        images: Any = None,
    ) -> Response:
        """Play one episode of the task that `label` names.

        What the policy is first told is the scaffold's to write; `prompt` is only echoed.

        Args:
            prompt: of the dataset.
            label: id of the task.
            sampling_params: shared by the whole batch; read, never changed.
            max_length: tokens of a whole conversation.
            hf_tokenizer: of the policy.
            llm_engine: the rollout actor.
            images: not used.
        """
        return await self.player.answer(
            Asked(prompt=prompt, label=label),
            llm_engine,
            sampling=sampling_params,
            max_length=max_length,
            tokenizer=hf_tokenizer,
        )

    def close(self) -> None:
        """End sandbox, grader and thread. Idempotent."""
        self.player.close()
