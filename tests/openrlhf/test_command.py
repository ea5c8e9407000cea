"""OpenRLHF's own command line accepts what is printed for every recipe: its parser, its checks, its first steps."""

import io
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import openrlhf.trainer.ppo_trainer
import openrlhf.trainer.ray
import openrlhf.utils
import pytest
import ray

from sandmle.core.engine.toolkit import open_toolkit
from sandmle.plugins.trainers.openrlhf.commands import read_section
from sandmle.plugins.trainers.openrlhf.metrics import parse_line
from sandmle.plugins.trainers.openrlhf.planning import plan_grpo
from sandmle.plugins.trainers.openrlhf.sft import plan_sft
from sandmle.plugins.trainers.recipe_layer import with_recipe
from sandmle.plugins.trainers.recipes import read_recipe, recipe_names

RECIPES = [name for name in recipe_names() if "openrlhf" in read_recipe(name).trainers]
SIZES = [(1, 1), (8, 1), (8, 2)]


class Reached(BaseException):
    """OpenRLHF got to where it starts engines on GPUs."""


def planned(recipe: str, gpus: int, nodes: int, out: Path, **more):
    given = {"plugin.trainer.openrlhf.gpus": gpus, "plugin.trainer.openrlhf.nodes": nodes, **more}
    toolkit, _ = with_recipe(open_toolkit(), recipe, "openrlhf", None, given)
    return plan_grpo(toolkit, read_section(toolkit), tasks=None, out=out)


@pytest.fixture
def openrlhf_main(monkeypatch):
    """Run OpenRLHF's command line up to its engines; gives the arguments and those of `create_vllm_engines`."""

    def run(flags: list[str]):
        seen = SimpleNamespace()

        def reached(*words, **named):
            seen.engines, seen.args = words, sys._getframe(1).f_locals["args"]
            raise Reached

        monkeypatch.setattr(sys, "argv", ["train_ppo_ray", *flags])
        monkeypatch.setattr(ray, "is_initialized", lambda: True)
        monkeypatch.setattr(ray, "get", lambda refs: None)
        bundles = lambda bundles, strategy: SimpleNamespace(ready=lambda: None)  # noqa: E731
        monkeypatch.setattr(sys.modules["ray.util.placement_group"], "placement_group", bundles)
        monkeypatch.setattr(openrlhf.trainer.ray, "create_vllm_engines", reached)
        with pytest.raises(Reached):
            runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
        return seen

    return run


@pytest.mark.parametrize(("gpus", "nodes"), SIZES, ids=lambda number: str(number))
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_real_command_line_accepts_every_recipe(recipe, gpus, nodes, openrlhf_main, tmp_path):
    launch = planned(recipe, gpus, nodes, tmp_path / "out")
    args = openrlhf_main(launch.flags).args
    grpo = launch.config.grpo
    assert args.actor.model_name_or_path == read_recipe(recipe).model
    assert args.actor.num_nodes * args.actor.num_gpus_per_node == gpus * nodes
    assert args.vllm.num_engines * args.vllm.tensor_parallel_size == gpus * nodes
    assert args.rollout.batch_size * args.rollout.n_samples_per_prompt == args.train.batch_size == 64
    assert args.actor.eps_clip_low_high == [0.2, 0.28]
    assert args.actor.adam.lr == grpo.rate()
    assert args.actor.loss_agg_mode == "seq-mean-token-mean"
    assert args.algo.kl.init_coef == 0
    assert args.data.max_len == 8192 + 32768
    assert args.ds.lora.rank == (32 if recipe.endswith("-lora") else 0)
    assert args.reward.remote_url == ["agent"]
    # The real parser may change what it is given, with a warning that nobody sees: nothing of ours was changed.
    assert args.ds.attn_implementation == launch.config.engine.attention
    assert args.ds.packing_samples is launch.config.engine.packing
    assert args.vllm.enable_sleep is True


@pytest.mark.parametrize(("gpus", "nodes"), SIZES, ids=lambda number: str(number))
@pytest.mark.parametrize("recipe", RECIPES)
def test_deepspeed_can_share_out_every_batch(recipe, gpus, nodes, openrlhf_main, tmp_path):
    args = openrlhf_main(planned(recipe, gpus, nodes, tmp_path / "out").flags).args
    world, shared = gpus * nodes, args.ds.ring_attn_size
    # DeepspeedStrategy.setup_distributed and get_ds_train_config, which need GPUs to run.
    accumulated = args.train.batch_size * shared // args.train.micro_batch_size // world
    assert args.train.micro_batch_size * accumulated * world == args.train.batch_size * shared
    per_step = args.rollout.batch_size * args.rollout.n_samples_per_prompt
    assert per_step // args.rollout.micro_batch_size % (world // shared) == 0


def test_every_option_reaches_the_real_command_line(openrlhf_main, tmp_path):
    section = "plugin.trainer.openrlhf"
    more = {
        f"{section}.grpo.kl": 0.01,
        f"{section}.grpo.filter_range": [0.1, 0.9],
        f"{section}.grpo.minibatches": 2,
        f"{section}.grpo.scheduler": "cosine_with_min_lr",
        f"{section}.grpo.estimator": "dr_grpo",
        f"{section}.correction.level": "off",
        f"{section}.engine.dynamic_batch": True,
        f"{section}.engine.offload_optimizer": True,
        f"{section}.engine.colocate": False,
        "run.rng_seed": 11,
    }
    args = openrlhf_main(planned("qwen3-8b-lora", 8, 1, tmp_path / "out", **more).flags).args
    assert (args.algo.kl.init_coef, args.algo.kl.use_loss, args.algo.kl.estimator) == (0.01, True, "k3")
    assert args.algo.dynamic_filtering_enable is True
    assert list(args.algo.dynamic_filtering_range) == [0.1, 0.9]
    assert args.train.batch_size == 32
    assert args.actor.lr_scheduler == "cosine_with_min_lr"
    assert args.algo.advantage.estimator == "dr_grpo"
    assert args.algo.advantage.is_correction_level == "off"
    assert args.train.dynamic_batch_enable is True
    assert args.train.max_tokens_per_gpu * args.ds.ring_attn_size >= 40_960
    assert args.ds.adam_offload is True
    assert args.train.colocate_all is False
    assert (args.actor.num_gpus_per_node, args.vllm.num_engines) == (4, 4)
    assert args.train.seed == 11


def test_the_temperature_reaches_the_real_command_line(openrlhf_main, tmp_path):
    args = openrlhf_main(planned("qwen3-8b-full", 8, 1, tmp_path / "out", **{"run.temperature": 0.7}).flags).args
    assert args.rollout.temperature == 0.7


def test_attention_without_flash_attn_packs_nothing(openrlhf_main, tmp_path):
    section = "plugin.trainer.openrlhf.engine"
    more = {f"{section}.attention": "sdpa", f"{section}.packing": False}
    args = openrlhf_main(planned("qwen3-8b-lora", 1, 1, tmp_path / "out", **more).flags).args
    assert (args.ds.attn_implementation, args.ds.packing_samples, args.ds.ring_attn_size) == ("sdpa", False, 1)


def test_the_real_sft_command_line_accepts_ours(monkeypatch, tmp_path):
    given = {
        "plugin.trainer.openrlhf.policy": "Qwen/Qwen3-8B",
        "plugin.trainer.openrlhf.sft.adapter": True,
        "plugin.trainer.openrlhf.engine.offload_optimizer": True,
    }
    toolkit = open_toolkit(overrides=given)
    plan = plan_sft(toolkit, read_section(toolkit), demos=[], tasks=None, out=tmp_path / "out")
    seen = []

    def reached(args):
        seen.append(args)
        raise Reached

    monkeypatch.setattr(sys, "argv", ["train_sft", *plan.flags])
    monkeypatch.setattr(openrlhf.utils, "get_strategy", reached)
    with pytest.raises(Reached):
        runpy.run_module("openrlhf.cli.train_sft", run_name="__main__")
    [args] = seen
    assert args.data.multiturn is True
    assert args.data.apply_chat_template is True
    assert args.data.input_key == "messages"
    assert args.data.tokenizer_chat_template
    assert (args.train.batch_size, args.train.micro_batch_size, args.train.max_epochs) == (32, 1, 2)
    assert (args.adam.lr, args.ds.lora.rank, args.ds.adam_offload) == (1e-5, 32, True)
    assert args.data.max_len == 40_000


def test_figures_are_read_from_the_lines_that_the_real_trainer_logs(monkeypatch):
    # The words of PPOTrainer.fit and .evaluate, through OpenRLHF's own logger.
    source = Path(openrlhf.trainer.ppo_trainer.__file__).read_text("utf-8")
    step, evaluation = (
        'f"✨ Global step {global_step}: {log_status}"',
        "Evaluation completed in {time_str}, global_step",
    )
    assert step in source
    assert evaluation in source
    figures = {"policy_loss": 1e-05, "kl": float("nan"), "actor_lr": 1e-06, "timing/generation": 12.5}
    logger, printed = openrlhf.trainer.ppo_trainer.logger, io.StringIO()
    monkeypatch.setattr(logger.handlers[0], "stream", printed)
    evaluated = {"eval_validation_pass1": 0.5}
    logger.info(f"✨ Global step {7}: {figures}")
    logger.info(f"✨ Evaluation completed in 1 day, 0:00:03, global_step {7}, eval_metrics: {evaluated}")
    found = [line for line in map(parse_line, printed.getvalue().splitlines()) if line]
    assert [(one.kind, one.step) for one in found] == [("step", 7), ("evaluation", 7)]
    assert found[0].figures["policy_loss"] == 1e-05
    assert found[0].figures["kl"] != found[0].figures["kl"]
    assert found[1].figures == evaluated
