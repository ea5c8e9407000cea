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
from sandmle.core.errors import PluginError, SandmleError, StoreError, boundary
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
                written = root / "written"
                policy.save(written)
                for number, name in enumerate(("weights as sent", "weights as sent after an update")):
                    if number:
                        nudge(policy, number)
                    findings.append(await _sent(toolkit, policy, written, root / f"engine{number}", name))
    except SandmleError as problem:
        findings.append(Finding(name="policy", verdict="failed", detail=str(problem)))
    return findings


async def _sent(toolkit: Toolkit, policy: TrainablePolicy, written: Path, folder: Path, name: str) -> Finding:
    try:
        shutil.copytree(written, folder, ignore=shutil.ignore_patterns("adapter", "*.safetensors"))
        take(policy, dict(merged_weights(policy.module)), folder)
        async with open_chat_model(toolkit, f"{PROVIDER}/{folder}") as engine:
            temperature = toolkit.settings.run.temperature or 1.0
            report = await PolicyCanary(policy, temperature, ChatEngine(engine, temperature)).look()
            report.require("an engine that took them")
    except SandmleError as problem:
        return Finding(name=name, verdict="failed", detail=str(problem))
    return Finding(name=name, verdict="ok", detail=report.words("an engine that took them"))


def take(policy: TrainablePolicy, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Load named weights into a model of its own, as a rollout engine does, and write it beside its tokenizer.

    Raises:
        PluginError: a name is none of the model's, or one of its weights was not sent.
        StoreError: it could not be written.
    """
    base: Any = policy.module
    config = (base.get_base_model() if hasattr(base, "get_base_model") else base).config
    tied = HEAD not in weights
    # Without numbers of its own: drawing them takes seconds for every 10^9, and all are replaced.
    with torch.device("meta"):
        engine = AutoModelForCausalLM.from_config(type(config)(**{**config.to_dict(), "tie_word_embeddings": tied}))
    # An engine's weights are its own: two names are one weight only where the engine says so.
    own = {name: weight.clone() for name, weight in weights.items()}
    wrong = engine.load_state_dict(own, strict=False, assign=True)
    missing = [one for one in wrong.missing_keys if one != HEAD or not tied]
    if wrong.unexpected_keys or missing:
        raise PluginError(
            f"the engine knows no {wrong.unexpected_keys[:3]} and was not sent {missing[:3]}: weights must be sent "
            "under the names of the model without an adapter"
        )
    engine.tie_weights()
    with boundary(StoreError, f"cannot write {folder}"):
        engine.save_pretrained(folder)
