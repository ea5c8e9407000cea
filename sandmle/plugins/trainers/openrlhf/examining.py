"""`sandmle doctor --training` for the OpenRLHF trainer: the weights it would send, taken by an engine of this process.

Neither OpenRLHF nor a GPU is needed: what is looked at is our own part, the merged weights and their names. A run looks
at the real engines itself, at its start and after every sync.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.crews import open_chat_model
from sandmle.core.engine.doctor import Finding
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError, SandmleError
from sandmle.plugins.trainers.canaries.asking import ChatEngine
from sandmle.plugins.trainers.local.canary import PolicyCanary
from sandmle.plugins.trainers.local.examining import ADAPTER, nudge, open_examined
from sandmle.plugins.trainers.local.policies import PROVIDER
from sandmle.plugins.trainers.openrlhf.merging import merged_weights

HEAD = "lm_head.weight"


async def examine_sending(toolkit: Toolkit, given: Path | None) -> list[Finding]:
    """Send the weights of a policy twice, an update of its adapter between, and hold what took them to the trainer."""
    findings: list[Finding] = []
    try:
        with tempfile.TemporaryDirectory(prefix="sandmle-doctor-") as folder:
            root = Path(folder)
            async with open_examined(toolkit, given, root / "policy") as policy:
                policy.add_adapter(ADAPTER, 0)
                for number, name in enumerate(("weights as sent", "weights as sent after an update")):
                    if number:
                        nudge(policy, number)
                    findings.append(await _sent(toolkit, policy, root / f"engine{number}", name))
    except SandmleError as problem:
        findings.append(Finding(name="policy", verdict="failed", detail=str(problem)))
    return findings


async def _sent(toolkit: Toolkit, policy: TrainablePolicy, folder: Path, name: str) -> Finding:
    try:
        take(policy, dict(merged_weights(policy.module)), folder)
        async with open_chat_model(toolkit, f"{PROVIDER}/{folder}") as engine:
            temperature = toolkit.settings.run.temperature or 1.0
            report = await PolicyCanary(policy, temperature, ChatEngine(engine, temperature)).look()
            report.require("an engine that took them")
    except SandmleError as problem:
        return Finding(name=name, verdict="failed", detail=str(problem))
    return Finding(name=name, verdict="ok", detail=report.words("an engine that took them"))


def take(policy: TrainablePolicy, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Load named weights into a model of its own, as a rollout engine does, and write it as a checkpoint.

    Raises:
        PluginError: a name is none of the model's, or one of its weights was not sent.
        StoreError: it could not be written.
    """
    policy.save(folder)
    shutil.rmtree(folder / "adapter", ignore_errors=True)
    base: Any = policy.module
    config = (base.get_base_model() if hasattr(base, "get_base_model") else base).config.to_dict()
    kind = type((base.get_base_model() if hasattr(base, "get_base_model") else base).config)
    engine = AutoModelForCausalLM.from_config(kind(**{**config, "tie_word_embeddings": HEAD not in weights}))
    wrong = engine.load_state_dict(dict(weights), strict=False)
    missing = [one for one in wrong.missing_keys if one != HEAD or HEAD in weights]
    if wrong.unexpected_keys or missing:
        raise PluginError(
            f"the engine knows no {wrong.unexpected_keys[:3]} and was not sent {missing[:3]}: weights must be sent "
            "under the names of the model without an adapter"
        )
    engine.save_pretrained(folder)
