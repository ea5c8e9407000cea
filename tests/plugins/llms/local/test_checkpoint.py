"""A checkpoint comes back as it was; a foreign or cut-off one is refused with the reason."""

import json
import resource
import shutil
import signal

import pytest
import torch

from sandmle.core.contracts.policy import AdapterShape, CodecProvider, PolicyProvider, TrainablePolicy
from sandmle.core.errors import ConfigError, StoreError
from sandmle.core.types.message import Message

IDS = torch.tensor([[5, 9, 300, 7]])


@pytest.fixture
def broken(policy_dir, tmp_path):
    return shutil.copytree(policy_dir, tmp_path / "broken")


def test_provider_and_model_keep_the_contract_of_trainable_policies(provider, model):
    assert isinstance(provider, PolicyProvider)
    assert isinstance(model, TrainablePolicy)


def test_a_codec_opens_without_weights_and_writes_what_the_model_reads(provider, policy_dir, model, broken):
    (broken / "model.safetensors").unlink()
    assert isinstance(provider, CodecProvider)
    codec = provider.open_codec(f"local/{broken}")
    messages = [Message(role="user", content="hello"), Message(role="assistant", content="", token_ids=(5, 9))]
    ids = codec.prompt(messages)
    first = model.encode(messages[0]).ids
    assert ids[: len(first)] == first
    assert (5, 9, codec.end_id) == ids[len(first) + 1 : len(first) + 4]
    assert codec.decode(codec.prompt(messages[:1])) == "hello"


def test_the_same_seed_makes_the_same_policy(provider, make_policy, policy_dir):
    again, other = make_policy(3), make_policy(4)
    weights = [(one / "model.safetensors").read_bytes() for one in (policy_dir, again, other)]
    assert weights[0] == weights[1] != weights[2]


def test_weights_come_back_bit_for_bit(provider, model, tmp_path):
    model.save(tmp_path / "again")
    again = provider.open_model(f"local/{tmp_path / 'again'}")
    assert torch.equal(again.module(IDS).logits, model.module(IDS).logits)
    message = Message(role="user", content="rows: 120, <|end|>")
    assert again.encode(message) == model.encode(message)


def test_an_adapter_comes_back_bit_for_bit_with_all_else_frozen(provider, model, tmp_path):
    before = model.module(IDS).logits
    model.add_adapter(AdapterShape(rank=4), 1)
    assert torch.allclose(model.module(IDS).logits, before, atol=1e-6)
    trainable = {name for name, one in model.module.named_parameters() if one.requires_grad}
    assert all(".lora_" in name for name in trainable)
    for target in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"):
        assert any(f"{target}.lora_B" in name for name in trainable), target
    with torch.no_grad():
        for name, one in model.module.named_parameters():
            if ".lora_B" in name:
                one.normal_(std=0.1)
    model.save(tmp_path / "adapted")
    again = provider.open_model(f"local/{tmp_path / 'adapted'}")
    assert torch.equal(again.module(IDS).logits, model.module(IDS).logits)
    assert not torch.allclose(again.module(IDS).logits, before, atol=1e-2)
    assert {name for name, one in again.module.named_parameters() if one.requires_grad} == trainable


def test_a_trainers_output_directory_opens_as_its_best_checkpoint(provider, policy_dir, tmp_path):
    (tmp_path / "last").symlink_to(policy_dir)
    assert provider.open_model(f"local/{tmp_path}").context_tokens == 256


def refused(provider, path) -> str:
    with pytest.raises(ConfigError) as problem:
        provider.open_model(f"local/{path}")
    return str(problem.value)


def test_a_folder_that_is_no_checkpoint_is_refused(provider, tmp_path):
    assert "no config.json" in refused(provider, tmp_path)
    assert "names no checkpoint" in refused(provider, "")


def test_cut_off_weights_are_refused(provider, broken):
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    assert "cut off" in refused(provider, broken)


def test_weights_that_lack_a_layer_are_refused(provider, broken):
    from safetensors.torch import load_file, save_file

    tensors = load_file(broken / "model.safetensors")
    save_file(
        {k: v for k, v in tensors.items() if "layers.1." not in k}, broken / "model.safetensors", {"format": "pt"}
    )
    assert "missing_keys: model.layers.1." in refused(provider, broken)


def test_weights_of_another_size_are_refused(provider, broken):
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    assert str(broken) in refused(provider, broken)


def test_a_checkpoint_of_another_origin_is_refused_with_what_to_write(provider, broken):
    (broken / "chat_format.json").unlink()
    assert provider.open_model(f"local/{broken}").unproven is None
    (broken / "chat_template.jinja").unlink()
    assert "chat_format.json" in refused(provider, broken)


def test_a_tokenizer_without_the_end_is_refused(provider, broken):
    (broken / "chat_format.json").write_text('{"end": "<|im_end|>"}')
    assert "has no token '<|im_end|>'" in refused(provider, broken)


@pytest.mark.parametrize("text", ["", "{}", "\x00"])
def test_a_broken_tokenizer_is_refused(provider, broken, text):
    (broken / "tokenizer.json").write_text(text)
    assert "is no tokenizer" in refused(provider, broken)


def test_a_cut_off_adapter_is_refused(provider, model, tmp_path):
    model.add_adapter(AdapterShape(rank=4), 1)
    model.save(tmp_path / "adapted")
    weights = tmp_path / "adapted" / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    assert "the adapter" in refused(provider, tmp_path / "adapted")


@pytest.fixture
def adapted(model, tmp_path):
    """A checkpoint with an adapter that says something."""
    model.add_adapter(AdapterShape(rank=4), 1)
    stir(model)
    model.save(tmp_path / "adapted")
    return tmp_path / "adapted"


def stir(model) -> None:
    with torch.no_grad():
        for name, one in model.module.named_parameters():
            if ".lora_B" in name:
                one.normal_(std=0.1)


def test_weights_below_an_adapter_are_written_once_and_later_checkpoints_link_to_them(
    provider, model, adapted, tmp_path
):
    stir(model)
    model.save(tmp_path / "later", adapted)
    assert (tmp_path / "later" / "model.safetensors").samefile(adapted / "model.safetensors")
    again = provider.open_model(f"local/{tmp_path / 'later'}")
    assert torch.equal(again.module(IDS).logits, model.module(IDS).logits)
    # What was opened again writes the same weights, and whoever removes the first checkpoint takes nothing away.
    again.save(tmp_path / "third", tmp_path / "later")
    shutil.rmtree(adapted)
    assert (tmp_path / "third" / "model.safetensors").stat().st_nlink == 2
    assert provider.open_model(f"local/{tmp_path / 'third'}").context_tokens == 256


def test_weights_below_an_adapter_that_have_changed_are_written_anew(provider, model, adapted, tmp_path):
    with torch.no_grad():
        model.module.get_base_model().model.norm.weight.mul_(1.01)
    model.save(tmp_path / "later", adapted)
    assert not (tmp_path / "later" / "model.safetensors").samefile(adapted / "model.safetensors")
    again = provider.open_model(f"local/{tmp_path / 'later'}")
    assert torch.equal(again.module(IDS).logits, model.module(IDS).logits)


def test_without_links_or_with_an_older_layout_before_it_a_checkpoint_is_written_whole(
    provider, model, adapted, tmp_path, monkeypatch
):
    (adapted / "adapter" / "below.json").unlink()
    model.save(tmp_path / "after-older", adapted)
    assert (tmp_path / "after-older" / "model.safetensors").stat().st_nlink == 1

    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    model.save(tmp_path / "unlinked", tmp_path / "after-older")
    for one in ("adapted", "after-older", "unlinked"):
        opened = provider.open_model(f"local/{tmp_path / one}")
        assert torch.equal(opened.module(IDS).logits, model.module(IDS).logits)


def test_an_adapter_is_not_put_on_weights_that_it_was_not_trained_on(provider, make_policy, adapted):
    shutil.copyfile(make_policy(4) / "model.safetensors", adapted / "model.safetensors")
    assert "was trained on other weights" in refused(provider, adapted)
    (adapted / "adapter" / "below.json").write_text("{}")
    assert "below.json cannot be read" in refused(provider, adapted)
    (adapted / "model.safetensors").unlink()
    assert "model.safetensors is gone" in refused(provider, adapted)


def test_a_disk_that_takes_no_more_is_a_store_error(model, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StoreError, match="cannot write the checkpoint"):
            model.save(tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
