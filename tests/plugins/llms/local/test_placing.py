"""bfloat16 and GPUs: generator and trainer compute the same, what is trained is float32, nothing learned is lost."""

import asyncio

import pytest
import torch

from sandmle.core.contracts.policy import AdapterShape
from sandmle.core.errors import ConfigError
from sandmle.core.types.message import Message
from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.decoder import _projection
from sandmle.plugins.llms.local.generation import Request, _fitting
from sandmle.plugins.llms.local.model import LocalProvider

GPU = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")]
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
GAP = 0.05
"""Nats in bfloat16, of a token of the tiny policy, whose logits are small."""


def ask(number: int) -> list[Message]:
    return [Message(role="user", content="rows: 120, columns: 7\n" * (1 + number % 4) + str(number))]


def open_with(policy_dir, **config):
    return LocalProvider(LocalConfig(**config)).open_model(f"local/{policy_dir}")


def stir(model, std: float = 0.1) -> None:
    """As if the adapter had learned something."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, one in model.module.named_parameters():
            if ".lora_B" in name:
                one.normal_(std=std)
    model.weights_changed()


def by_the_module(model, reply) -> torch.Tensor:
    ids = torch.tensor([reply.prompt_ids + reply.sampled_ids], device=next(model.module.parameters()).device)
    with torch.no_grad():
        log_probs = torch.log_softmax(model.module(ids).logits[0].float(), dim=-1)[len(reply.prompt_ids) - 1 : -1]
    return log_probs.gather(1, ids[0, len(reply.prompt_ids) :, None])[:, 0].cpu()


async def all_replies(model, options, count: int = 6):
    return await asyncio.gather(*(model.reply(ask(at), options(at)) for at in range(count)))


@DEVICES
@pytest.mark.parametrize("adapted", [False, True])
async def test_generator_and_module_agree_in_bfloat16(policy_dir, options, device, adapted):
    model = open_with(policy_dir, device=device, dtype="bfloat16")
    if adapted:
        model.add_adapter(AdapterShape(rank=4), 1)
        stir(model)
    for reply in await all_replies(model, options):
        gaps = (by_the_module(model, reply) - torch.tensor(reply.log_probs)).abs()
        assert float(gaps.max()) < GAP


@DEVICES
async def test_generator_and_module_agree_in_float32(policy_dir, options, device):
    model = open_with(policy_dir, device=device)
    model.add_adapter(AdapterShape(rank=4), 1)
    stir(model)
    for reply in await all_replies(model, options):
        assert reply.log_probs == pytest.approx(by_the_module(model, reply).tolist(), abs=1e-4)


@DEVICES
async def test_bfloat16_says_nearly_what_float32_says(policy_dir, options, device):
    wide, narrow = (open_with(policy_dir, device=device, dtype=one) for one in ("float32", "bfloat16"))
    for reply in await all_replies(narrow, options):
        gaps = (by_the_module(wide, reply) - torch.tensor(reply.log_probs)).abs()
        assert 0 < float(gaps.mean()) < GAP


def test_an_adapter_is_float32_over_frozen_bfloat16_weights_and_all_that_is_trained_is_float32(policy_dir):
    model = open_with(policy_dir, dtype="bfloat16")
    model.add_adapter(AdapterShape(rank=4), 1)
    kinds = {(".lora_" in name, one.dtype, one.requires_grad) for name, one in model.module.named_parameters()}
    assert kinds == {(True, torch.float32, True), (False, torch.bfloat16, False)}
    assert model.module.model.model.rotary_emb.inv_freq.dtype is torch.float32
    model.train_all()
    assert {(one.dtype, one.requires_grad) for one in model.module.parameters()} == {(torch.float32, True)}


def test_what_an_adapter_learned_is_heard_although_it_is_less_than_a_weights_last_digit():
    """Merged into bfloat16 weights, what is small beside each weight is lost, though it is not small in the sum."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    module = get_peft_model(
        torch.nn.Sequential(torch.nn.Linear(1024, 256, bias=False).bfloat16()),
        LoraConfig(r=1, lora_alpha=1, target_modules=["0"]),
    )
    layer = module.base_model.model[0]
    seen = torch.randn(1, 1024).bfloat16()
    with torch.no_grad():
        layer.lora_A["default"].weight.copy_(seen.float() / seen.float().norm())
        layer.lora_B["default"].weight.normal_(std=3e-4)
        added = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        learned = (seen.float() @ added.T)[0]
        before = (seen @ layer.base_layer.weight.T)[0].float()
        apart = _projection([layer], torch.bfloat16)(seen)[0].float() - before
        merged = (seen @ (layer.base_layer.weight.float() + added).bfloat16().T)[0].float() - before
    lost = [float((one - learned).norm() / learned.norm()) for one in (apart, merged)]
    assert lost[0] < 0.15 < 0.6 < lost[1], lost


async def test_a_bfloat16_policy_comes_back_bit_for_bit(policy_dir, tmp_path):
    model = open_with(policy_dir, dtype="bfloat16")
    model.add_adapter(AdapterShape(rank=4), 1)
    stir(model)
    model.save(tmp_path / "again")
    again = open_with(tmp_path / "again", dtype="bfloat16")
    names = [{name: one.dtype for name, one in each.module.named_parameters()} for each in (model, again)]
    assert names[0] == names[1]
    ids = torch.tensor([[5, 9, 300, 7]])
    assert torch.equal(again.module(ids).logits, model.module(ids).logits)


@DEVICES
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_looking_seldom_changes_no_reply(policy_dir, options, device, dtype):
    often, seldom = (open_with(policy_dir, device=device, dtype=dtype, look_every=every) for every in (1, 7))
    made = [await all_replies(one, lambda at: options(at, stop=("e",)), 12) for one in (often, seldom)]
    assert [(one.text, one.finish_reason, len(one.sampled_ids)) for one in made[0]] == [
        (one.text, one.finish_reason, len(one.sampled_ids)) for one in made[1]
    ]
    for one, other in zip(*made, strict=True):
        assert one.sampled_ids == other.sampled_ids
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-4 if dtype == "float32" else GAP)


async def test_conversations_that_do_not_fit_together_are_decoded_in_parts_to_the_same_replies(policy_dir, options):
    whole, parts = (open_with(policy_dir, dtype="bfloat16") for _ in range(2))
    parts._generator._pace = type(parts._generator._pace)(
        look_every=5, narrow_below=0.75, kept_tokens=100, batch_tokens=120, read_tokens=60, block=64
    )
    made = [await all_replies(one, options, 8) for one in (whole, parts)]
    same = [one.sampled_ids == other.sampled_ids for one, other in zip(*made, strict=True)]
    # In bfloat16 a batch of another shape may round to another token.
    assert sum(same) >= 6


def test_parts_hold_every_request_once_and_fit_unless_one_alone_does_not():
    made = [
        Request(prompt=(1,) * length, room=room, temperature=1.0, sample_index=0)
        for length, room in ((5, 5), (90, 50), (7, 3), (20, 20), (6, 6))
    ]
    parts = list(_fitting(made, 60))
    assert sorted(at for part in parts for at in part) == list(range(len(made)))
    for part in parts:
        widest = max(len(made[at].prompt) for at in part) + max(made[at].room for at in part)
        assert len(part) == 1 or widest * len(part) <= 60
    assert list(_fitting(made, None)) == [list(range(len(made)))]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_and_auto_does_without(policy_dir):
    with pytest.raises(ConfigError, match=r"sees 0 GPUs; set it to \"auto\" or \"cpu\""):
        open_with(policy_dir, device="cuda")
    assert next(open_with(policy_dir, device="auto").module.parameters()).device.type == "cpu"
