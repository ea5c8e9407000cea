"""The paper's runs as named configurations, for both trainers."""

import pytest

from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trainers.recipe_layer import with_recipe
from sandmle.plugins.trainers.recipes import read_recipe, recipe_names

PAPER = [name for name in recipe_names() if name.startswith("qwen3")]
BOTH = [(name, trainer) for name in PAPER for trainer in ("local", "openrlhf")]


def section(toolkit, trainer):
    return toolkit.registry.validate(Kind.TRAINER, trainer, toolkit.settings.options("trainer", trainer))


def test_every_size_has_a_full_and_a_lora_recipe_and_there_is_a_tiny_one():
    sizes = ("qwen3-8b", "qwen3-14b", "qwen3-30b-a3b")
    assert set(recipe_names()) == {"tiny", *(f"{size}-{method}" for size in sizes for method in ("full", "lora"))}


@pytest.mark.parametrize(("name", "trainer"), BOTH)
def test_a_recipe_of_the_paper_says_what_the_paper_ran(name, trainer):
    toolkit, recipe = with_recipe(open_toolkit(), name, trainer, None, {})
    grpo = section(toolkit, trainer).grpo
    run = toolkit.settings.run
    assert (grpo.tasks_per_step, grpo.group_size, grpo.steps) == (16, 4, 80)
    assert (grpo.clip_low, grpo.clip_high, grpo.kl) == (0.2, 0.28, 0.0)
    assert (grpo.aggregate, grpo.estimator) == ("seq-mean-token-mean", "group_norm")
    assert (grpo.minibatches, grpo.epochs, grpo.weight_decay, grpo.grad_clip) == (1, 1, 0.01, 1.0)
    assert (run.max_turns, run.temperature, run.episode_timeout_s) == (15, 1.0, 1200.0)
    assert [str(one) for one in grpo.masked_stops] == ["deadline"]
    assert grpo.adapter is name.endswith("-lora")
    assert grpo.rate() == (2e-5 if grpo.adapter else 1e-6)
    assert recipe.text.count("differ") >= 1


@pytest.mark.parametrize("name", PAPER)
def test_a_recipe_names_the_papers_model_and_lengths_for_openrlhf(name):
    toolkit, _ = with_recipe(open_toolkit(), name, "openrlhf", None, {})
    config = section(toolkit, "openrlhf")
    assert (config.prompt_tokens, config.response_tokens) == (8_192, 32_768)
    assert config.policy == read_recipe(name).model


def test_a_base_name_means_all_weights_unless_lora_is_asked_for():
    assert read_recipe("qwen3-8b").name == "qwen3-8b-full"
    assert read_recipe("qwen3-8b", adapter=True).name == "qwen3-8b-lora"
    assert read_recipe("qwen3-8b-lora", adapter=True).name == "qwen3-8b-lora"


@pytest.mark.parametrize(
    ("name", "adapter", "words"),
    [
        ("qwen3-8b-full", True, "take 'qwen3-8b-lora'"),
        ("qwen3-8b-lora", False, "take 'qwen3-8b-full'"),
        ("qwen3-8x-lora", None, "did you mean 'qwen3-8b-lora'"),
        ("", None, "known: "),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(name, adapter, words):
    with pytest.raises(ConfigError, match=words):
        read_recipe(name, adapter)


def test_a_recipe_of_another_trainer_is_refused():
    with pytest.raises(ConfigError, match="for the trainer local, not for openrlhf; add --trainer local"):
        with_recipe(open_toolkit(), "tiny", "openrlhf", None, {})


def test_file_environment_and_command_line_win_over_a_recipe(tmp_path, monkeypatch):
    file = tmp_path / "mine.toml"
    file.write_text("[run]\nmax_turns = 7\n[plugin.trainer.openrlhf.grpo]\nsteps = 3\n")
    monkeypatch.setenv("SANDMLE_RUN__CELL_TIMEOUT_S", "11")
    given = {"plugin.trainer.openrlhf.grpo.group_size": 8, "plugin.trainer.openrlhf.policy": "mine"}
    toolkit, _ = with_recipe(open_toolkit(file=file), "qwen3-8b-lora", "openrlhf", None, given)
    config, run = section(toolkit, "openrlhf"), toolkit.settings.run
    assert (run.max_turns, run.cell_timeout_s) == (7, 11)
    assert (config.grpo.steps, config.grpo.group_size, config.policy) == (3, 8, "mine")
    # What nobody said is the recipe's.
    assert (config.grpo.tasks_per_step, config.grpo.clip_high, run.episode_timeout_s) == (16, 0.28, 1200.0)


def test_without_a_recipe_nothing_is_laid_below():
    toolkit, recipe = with_recipe(open_toolkit(), None, "openrlhf", None, {"run.max_turns": 3})
    assert recipe is None
    assert toolkit.settings.run.max_turns == 3
