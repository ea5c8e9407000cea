"""What is exported answers as what was trained."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from sandmle.core.contracts.policy import AdapterShape, PolicyShape  # noqa: E402
from sandmle.core.errors import ConfigError  # noqa: E402
from sandmle.plugins.llms.local.config import LocalConfig  # noqa: E402
from sandmle.plugins.llms.local.model import LocalProvider  # noqa: E402
from sandmle.plugins.trainers.openrlhf import export  # noqa: E402
from sandmle.plugins.trainers.openrlhf.export import export_policy  # noqa: E402

IDS = torch.arange(3, 19)[None]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def logits(module) -> torch.Tensor:
    with torch.no_grad():
        return module.eval()(input_ids=IDS).logits


def sum_of(folder: Path, name: str) -> str:
    return f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"


def stir(module) -> None:
    generator = torch.Generator().manual_seed(5)
    for name, parameter in module.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2


@pytest.fixture(scope="module")
def openrlhf_out(tmp_path_factory) -> tuple[Path, torch.Tensor]:
    """What OpenRLHF leaves of a LoRA training, as its `save_model` writes it; and the logits of what was trained."""
    root = tmp_path_factory.mktemp("openrlhf")
    torch.manual_seed(1)
    config = transformers.Qwen3Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=48,
        vocab_size=64,
        tie_word_embeddings=False,
    )
    transformers.Qwen3ForCausalLM(config).save_pretrained(root / "base")
    (root / "base" / "generation_config.json").write_text("{}")
    module = transformers.AutoModelForCausalLM.from_pretrained(root / "base")
    adapted = peft.get_peft_model(module, peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=TARGETS))
    stir(adapted)
    adapted.save_pretrained(root / "out" / "policy")
    adapted.config.to_json_file(root / "out" / "policy" / "config.json")
    (root / "out" / "policy" / "tokenizer_config.json").write_text('{"chat_template": "mine"}')
    return root / "out", logits(adapted)


@pytest.fixture(scope="module")
def local_out(tmp_path_factory) -> tuple[Path, torch.Tensor]:
    """What the local trainer leaves: base and adapter, also on the head that is tied to the embedding."""
    root = tmp_path_factory.mktemp("local")
    provider = LocalProvider(LocalConfig())
    shape = PolicyShape(
        layers=2, hidden=32, heads=4, key_value_heads=2, feed_forward=48, context_tokens=64, vocabulary=300
    )
    provider.create_policy(["some words, and more"] * 3, shape, 3, root / "start")
    model = provider.open_model(f"local/{root / 'start'}")
    model.add_adapter(AdapterShape(rank=4, alpha=8), 1)
    stir(model.module)
    model.save(root / "out" / "best")
    (root / "out" / "best" / "trainer.pt").write_bytes(b"state of the optimizer")
    sums = [sum_of(root / "out" / "best", name) for name in ("adapter/adapter_model.safetensors", "trainer.pt")]
    (root / "out" / "best" / "SHA256SUMS").write_text("".join(sums))
    return root / "out", logits(model.module)


def test_merged_weights_of_openrlhf_answer_as_base_and_adapter_did(openrlhf_out, tmp_path):
    out, before = openrlhf_out
    done = export_policy(out, merge=tmp_path / "merged", adapter=None, base=None)
    assert done.base == str(out.parent / "base")
    module = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(module), before, rtol=0, atol=1e-5)
    assert (tmp_path / "merged" / "tokenizer_config.json").read_text() == '{"chat_template": "mine"}'
    assert (tmp_path / "merged" / "generation_config.json").is_file()
    assert not list((tmp_path / "merged").glob("adapter*"))


def test_merged_weights_of_the_local_trainer_answer_as_base_and_adapter_did(local_out, tmp_path):
    out, before = local_out
    export_policy(out, merge=tmp_path / "merged", adapter=None, base=None)
    module = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(module), before, rtol=0, atol=1e-5)
    assert module.config.tie_word_embeddings is False
    # The local provider opens it, too, and nothing of the optimizer came along.
    opened = LocalProvider(LocalConfig()).open_model(f"local/{tmp_path / 'merged'}")
    torch.testing.assert_close(logits(opened.module), before, rtol=0, atol=1e-5)
    assert not [name for name in ("trainer.pt", "SHA256SUMS") if (tmp_path / "merged" / name).exists()]


def test_large_weights_are_written_in_parts_that_transformers_opens(openrlhf_out, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "SHARD_BYTES", 20_000)
    out, before = openrlhf_out
    export_policy(out / "policy", merge=tmp_path / "merged", adapter=None, base=None)
    index = json.loads((tmp_path / "merged" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    assert not list((tmp_path / "merged").glob("*.part"))
    module = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(module), before, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
@pytest.mark.parametrize("which", ["openrlhf_out", "local_out"])
def test_an_exported_adapter_is_opened_by_peft(which, request, tmp_path):
    out, before = request.getfixturevalue(which)
    done = export_policy(out, merge=None, adapter=tmp_path / "adapter", base=None)
    base = transformers.AutoModelForCausalLM.from_pretrained(done.base)
    module = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    torch.testing.assert_close(logits(module), before, rtol=0, atol=1e-5)


def test_another_base_can_be_named_and_a_wrong_one_is_refused(openrlhf_out, tmp_path):
    out, _ = openrlhf_out
    moved = tmp_path / "moved"
    (out.parent / "base").rename(moved)
    try:
        with pytest.raises(ConfigError, match="--base names another"):
            export_policy(out, merge=tmp_path / "merged", adapter=None, base=None)
        assert not (tmp_path / "merged").exists()
        export_policy(out, merge=tmp_path / "merged", adapter=None, base=str(moved))
    finally:
        moved.rename(out.parent / "base")


def test_an_adapter_is_not_merged_into_weights_that_it_was_not_trained_on(local_out, tmp_path):
    out, before = local_out
    shape = PolicyShape(
        layers=2, hidden=32, heads=4, key_value_heads=2, feed_forward=48, context_tokens=64, vocabulary=300
    )
    LocalProvider(LocalConfig()).create_policy(["some words, and more"] * 3, shape, 4, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"trained on other weights than those of .*other"):
        export_policy(out, merge=tmp_path / "merged", adapter=None, base=str(tmp_path / "other"))
    # The exported adapter remembers them, too; the weights it came from are taken under any name.
    export_policy(out, merge=None, adapter=tmp_path / "adapter", base=None)
    with pytest.raises(ConfigError, match="trained on other weights"):
        export_policy(tmp_path / "adapter", merge=tmp_path / "merged", adapter=None, base=str(tmp_path / "other"))
    export_policy(tmp_path / "adapter", merge=tmp_path / "merged", adapter=None, base=str(out.parent / "start"))
    module = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(module), before, rtol=0, atol=1e-5)


def test_whole_weights_are_copied_and_have_no_adapter(openrlhf_out, tmp_path):
    base = openrlhf_out[0].parent / "base"
    export_policy(base, merge=tmp_path / "copy", adapter=None, base=None)
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="whole weights and no adapter"):
        export_policy(base, merge=None, adapter=tmp_path / "adapter", base=None)


def test_what_cannot_be_exported_is_refused(openrlhf_out, tmp_path):
    with pytest.raises(ConfigError, match="say what to export"):
        export_policy(openrlhf_out[0], merge=None, adapter=None, base=None)
    with pytest.raises(ConfigError, match="holds nothing that was trained"):
        export_policy(tmp_path, merge=tmp_path / "x", adapter=None, base=None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        export_policy(openrlhf_out[0], merge=tmp_path / "full", adapter=None, base=None)


def test_a_folder_that_holds_a_shape_and_no_weights_is_not_exported(openrlhf_out, tmp_path):
    (tmp_path / "shape").mkdir()
    shutil.copy(openrlhf_out[0].parent / "base" / "config.json", tmp_path / "shape")
    with pytest.raises(ConfigError, match=r"shape holds no weights \(\*\.safetensors or \*\.bin\)"):
        export_policy(tmp_path / "shape", merge=tmp_path / "x", adapter=None, base=None)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("what", ["merge", "adapter"])
def test_a_checkpoint_in_which_a_bit_has_turned_is_not_exported(local_out, tmp_path, what):
    shutil.copytree(local_out[0], tmp_path / "out")
    weights = tmp_path / "out" / "best" / "adapter" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    targets = {"merge": None, "adapter": None, what: tmp_path / "x"}
    with pytest.raises(ConfigError, match=r"adapter_model\.safetensors is not what was written; export another"):
        export_policy(tmp_path / "out", **targets, base=None)
    assert not (tmp_path / "x").exists()
