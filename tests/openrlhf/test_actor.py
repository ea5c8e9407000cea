"""After a sync the engine generates with what is trained, and the canary hears it when it does not."""

import warnings
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import ray
import torch
from openrlhf.trainer.ray import ppo_actor
from peft import LoraConfig, get_peft_model

from sandmle.core.errors import ConfigError, PluginError
from sandmle.plugins.trainers.canaries.sync import SyncCanary
from sandmle.plugins.trainers.openrlhf.actor import SegmentActorTrainer, WholeReplayBuffer, refuse_settings, sized
from sandmle.plugins.trainers.openrlhf.controller import ActorScorer, EngineQuestions

ADAPTER = LoraConfig(
    task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj", "lm_head"]
)


class Codec:
    """Bytes, with the tokenizer's own end of turn."""

    def __init__(self, tokenizer) -> None:
        self._tokenizer = tokenizer
        self.end_id = tokenizer.eos_token_id

    def prompt(self, messages):
        return tuple(self._tokenizer(messages[0].content)["input_ids"])

    def decode(self, ids):
        return self._tokenizer.decode(ids)


class Engine:
    """An engine that takes weights as a vLLM worker does, by name, dtype and shape, and then from the wire."""

    def __init__(self, module) -> None:
        self.module = module
        self.taken = []
        self.resets = 0
        self.lost = False
        self.update_weight = SimpleNamespace(remote=self._announce)
        self.generate = SimpleNamespace(remote=self._generate)
        self.reset_prefix_cache = SimpleNamespace(remote=self._reset)

    def _announce(self, name, dtype, shape, empty_cache):
        self.taken.append((name, dtype, shape))

    def _reset(self):
        self.resets += 1

    def broadcast(self, tensor, src, stream):
        name, dtype, shape = self.taken[-1]
        assert (tensor.dtype, tensor.shape, src) == (dtype, shape, 0)
        if not self.lost:
            own = dict(self.module.named_parameters(remove_duplicate=False))
            own[name].data.copy_(tensor)

    @torch.no_grad()
    def _generate(self, prompt, sampling):
        ids, log_probs = [], []
        draws = torch.Generator().manual_seed(sampling.seed)
        while len(ids) < sampling.max_tokens and (not ids or ids[-1] not in sampling.stop_token_ids):
            scores = torch.log_softmax(self.module(torch.tensor([[*prompt, *ids]])).logits[0, -1], dim=-1)
            ids.append(int(torch.multinomial(scores.exp(), 1, generator=draws)))
            log_probs.append({ids[-1]: SimpleNamespace(logprob=float(scores[ids[-1]]))})
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, logprobs=log_probs)])


class Actors:
    """One policy actor behind the words of an actor group; the forward pass is OpenRLHF's Actor's own."""

    def __init__(self, actor) -> None:
        self.actor = actor

    @torch.no_grad()
    def async_run_method_batch(self, method_name, **rows):
        assert method_name == "forward"
        names = list(rows)
        return [[self.actor(**dict(zip(names, one, strict=True))) for one in zip(*rows.values(), strict=True)]]


@pytest.fixture
def world(build, tokenizer):
    """A trainer with an adapter, an engine with the base weights, and a canary that looks at both."""
    args = build.settings("--ds.lora.rank", "4", "--vllm.enable_prefix_caching")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = get_peft_model(build.qwen3(), ADAPTER)
    engine = Engine(build.qwen3())
    with patch("openrlhf.models.actor.Actor.__init__", torch.nn.Module.__init__):
        actor = ppo_actor.Actor()
    actor.model, actor.packing_samples, actor.temperature = module, False, 1.0
    patches = [
        patch.object(ray, "get", lambda found: found),
        patch.object(torch.distributed, "get_rank", lambda: 0),
        patch.object(torch.cuda, "current_device", int),
        patch.object(torch.cuda, "current_stream", lambda: None),
        patch.object(torch.cuda, "empty_cache", lambda: None),
        patch.object(ppo_actor, "torch_dist_barrier_and_cuda_sync", lambda: None),
        patch("sandmle.plugins.trainers.openrlhf.actor.torch_dist_barrier_and_cuda_sync", lambda: None),
        patch.object(SegmentActorTrainer, "_init_vllm_sync_group", lambda trainer, backend: None),
    ]
    for one in patches:
        one.start()
    trainer = SegmentActorTrainer(
        build.OneProcess(args=args),
        SimpleNamespace(model=SimpleNamespace(module=module)),
        ema_model=None,
        actor_optim=None,
        actor_scheduler=None,
        vllm_engines=[engine],
    )
    trainer._model_update_group = engine
    canary = SyncCanary("bfloat16")

    async def look():
        return await canary.look(
            EngineQuestions(engine, Codec(tokenizer), temperature=1.0), ActorScorer(Actors(actor), args)
        )

    yield SimpleNamespace(trainer=trainer, engine=engine, module=module, look=look, args=args)
    for one in patches:
        one.stop()


def learn(module, rng_seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng_seed)
        for name, parameter in module.named_parameters():
            if ".lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)


async def test_a_sync_brings_the_adapter_to_the_engine_and_the_canary_is_content(world):
    assert (await world.look()).cause is None
    learn(world.module)
    world.trainer.broadcast_to_vllm()
    report = await world.look()
    assert report.cause is None
    assert report.gap < 0.02
    names = [name for name, _, _ in world.engine.taken]
    assert sorted(names) == sorted(name for name, _ in world.engine.module.named_parameters())
    assert {dtype for _, dtype, _ in world.engine.taken} == {torch.bfloat16}
    assert world.engine.resets == 1


async def test_the_canary_tells_of_weights_that_were_not_sent(world):
    await world.look()
    learn(world.module)
    report = await world.look()
    assert "the weights before the last update" in report.cause
    with pytest.raises(PluginError, match="rollout engine 0"):
        report.require("rollout engine 0")


async def test_the_canary_tells_of_weights_that_the_wire_lost(world):
    await world.look()
    world.trainer.broadcast_to_vllm()
    learn(world.module)
    world.engine.lost = True
    world.trainer.broadcast_to_vllm()
    assert (await world.look()).cause is not None


async def test_stock_openrlhf_sends_nothing_that_the_engine_knows(world):
    """Why there is an actor of our own. Once this fails, OpenRLHF has learned to."""
    learn(world.module)
    known = {name for name, _ in world.engine.module.named_parameters()}
    # Weights that no adapter is on are all that is left of the names.
    sent = {name for name, _ in world.module.named_parameters()}
    assert not known & sent


async def test_every_sync_sends_the_base_anew_and_drifts_nowhere(world):
    learn(world.module)
    world.trainer.broadcast_to_vllm()
    first = {name: one.clone() for name, one in world.engine.module.named_parameters()}
    for _ in range(5):
        world.trainer.broadcast_to_vllm()
    assert all(torch.equal(first[name], one) for name, one in world.engine.module.named_parameters())


@pytest.mark.parametrize(
    "flags",
    [
        ("--ds.load_in_4bit",),
        ("--vllm.sync_with_ray",),
        ("--ds.lora.rank", "8", "--ds.tensor_parallel_size", "2", "--actor.num_gpus_per_node", "2"),
    ],
)
def test_weights_that_cannot_be_sent_are_refused_by_their_flag(build, flags):
    with pytest.raises(ConfigError, match=flags[-4] if len(flags) > 4 else flags[0]):
        refuse_settings(build.settings(*flags))


def test_dynamic_batches_hold_every_sequence_in_as_many_steps_as_were_asked_for(build):
    args = build.settings("--train.batch_size", "2", "--train.max_tokens_per_gpu", "40")
    with patch.object(torch.cuda, "current_device", int):
        buffer = WholeReplayBuffer(1, dynamic_batch=True)
    for number in range(10):
        length = 5 + number
        mask = torch.ones(length) * (number % 5 != 0)
        buffer.items.append(SimpleNamespace(total_length=torch.tensor(length), action_mask=mask))
    strategy = SimpleNamespace(
        args=args,
        ds_device_mesh={"dp": SimpleNamespace(get_group=lambda: None)},
        all_reduce=lambda numbers, op: numbers,
    )
    with (
        patch.object(torch.cuda, "current_device", lambda: "cpu"),
        patch.object(torch.distributed, "get_world_size", lambda group=None: 1),
        patch.object(torch.distributed, "all_reduce", lambda *given, **named: None),
    ):
        buffer.setup_dynamic_batch(strategy)
    assert sorted(one for part in buffer.dynamic_indices for one in part) == list(range(10))
    assert sum(buffer.dynamic_optimizer_step) == 2
    lengths = [sum(5 + one for one in part) for part in buffer.dynamic_indices]
    assert max(lengths) <= 40
    assert sum(set(buffer.dynamic_global_batch_size)) == 8 or buffer.dynamic_global_batch_size == [4.0] * len(lengths)
    assert args.train.batch_size == 2
    assert sized(args, 10, 2).train.batch_size == 5
