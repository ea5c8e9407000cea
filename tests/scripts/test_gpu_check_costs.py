"""What an update costs, counted by hand on small cases and by torch on a real policy."""

import pytest

torch = pytest.importorskip("torch")


def sequence(tokens: int, ranges: tuple[tuple[int, int], ...], name: str = "a/0"):
    from sandmle.core.engine.training import TrainingSequence
    from sandmle.plugins.trainers.local.batches import Weighted

    return Weighted(
        sequence=TrainingSequence(
            episode_id=name,
            segment=0,
            observation_tokens=tuple(range(1, tokens + 1)),
            action_ranges=ranges,
            rollout_log_probs=(0.0,) * tokens,
            reward=None,
            truncated=False,
        ),
        advantage=1.0,
    )


def test_tokens_and_pairs_of_sequences_that_share_a_beginning_are_counted_once():
    from costs import work_of

    from sandmle.plugins.trainers.local.batches import micro_batches

    items = [sequence(10, ((6, 8), (9, 10)), "a/0"), sequence(8, ((6, 8),), "a/1")]
    work = work_of(micro_batches(items, 1000, "cpu"))
    # Five tokens are read once; then five and three, each of which sees those before it.
    assert work.tokens == 5 + 5 + 3
    assert work.sampled == 3 + 2
    assert work.pairs == 15 + (5 * 5 + 15) + (3 * 5 + 6)


def test_an_update_of_all_weights_costs_what_torch_counts():
    from costs import costs_of, work_of
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from sandmle.plugins.trainers.local.batches import micro_batches
    from sandmle.plugins.trainers.local.losses import action_log_probs

    config = Qwen3Config(
        vocab_size=64, hidden_size=32, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, tie_word_embeddings=True, attn_implementation="eager",
    )  # fmt: skip
    module = Qwen3ForCausalLM(config)
    [batch] = micro_batches([sequence(40, ((10, 40),))], 1000, "cpu")
    with FlopCounterMode(display=False) as counter:
        log_probs, _ = action_log_probs(module, batch, 1.0)
        log_probs.sum().backward()
    counted = costs_of(module).update(work_of([batch]))
    # Eager attention multiplies every pair, also those that the mask hides: 40 * 40 instead of 40 * 41 / 2.
    hidden = 3 * 4 * 2 * 4 * 8 * (40 * 40 - 40 * 41 // 2)
    assert counted + hidden == pytest.approx(counter.get_total_flops(), rel=0.02)
