"""What a run may spend: caps stop it cleanly, say which, and leave the rest to be played."""

import pytest

from sandmle.core.engine.budget import Budget, Cap, Caps, Charge
from sandmle.core.engine.store import open_store, read_charges
from sandmle.core.errors import BudgetError
from sandmle.core.hooks.events import BudgetReached
from sandmle.core.types.episode import Outcome
from sandmle.core.types.message import ModelReply, Usage
from sandmle.core.types.trajectory import StopReason

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOLD = ("<think>so</think>write 0.05", "<think>so</think>submit", "<think>so</think>finish")
TOKENS = (5, 4, 4)
"""Of the replies above, as the puppet counts them: three of the prompt and one a word."""


def reply(tokens=10, usd=0.0, cached=False):
    return ModelReply(text="x", usage=Usage(completion_tokens=tokens, cost_usd=usd), cached=cached)


async def test_without_caps_nothing_is_refused():
    budget = Budget()
    budget.charge("a", 0, reply(10**9, 10**6))
    budget.check("a")


async def test_a_task_has_a_cap_of_its_own_and_the_run_has_one_over_all():
    budget = Budget(Caps(task=Cap(tokens=20), run=Cap(usd=1.0)))
    budget.charge("a", 0, reply(20))
    with pytest.raises(BudgetError, match=r"task a is used up: 20 of 20 tokens.*budget\.task_tokens") as refused:
        budget.check("a")
    assert refused.value.scope == "a"
    budget.check("b")
    budget.charge("b", 0, reply(1, 1.0))
    with pytest.raises(BudgetError, match=r"run's budget is used up: 1 of 1 USD.*the same command goes on") as refused:
        budget.check("c")
    assert refused.value.scope == "run"


async def test_what_was_paid_for_earlier_is_not_charged_again():
    charges = []
    budget = Budget(Caps(run=Cap(tokens=5)), record=charges.append)
    budget.charge("a", 0, reply(cached=True))
    budget.check("a")
    assert (charges, budget.total) == ([], Usage())


async def test_charges_outlive_the_process_that_made_them(tmp_path):
    with open_store(tmp_path / "run", {}) as store:
        budget = Budget(record=store.add_charge)
        budget.charge("a", 0, reply(7, 0.25))
        budget.charge("b", 1, reply(5, 0.5))
    with (tmp_path / "run" / "usage.jsonl").open("ab") as file:
        file.write(b'{"task_id": "half a')
    charges = list(read_charges(tmp_path / "run"))
    assert charges[0] == Charge(task_id="a", slot=0, prompt_tokens=0, completion_tokens=7, cost_usd=0.25)
    again = Budget(spent=charges)
    assert again.total == Usage(completion_tokens=12, cost_usd=0.75)
    assert again.spent_on("b") == Usage(completion_tokens=5, cost_usd=0.5)


async def test_an_episode_at_its_own_cap_ends_like_any_other_and_is_graded(stage, play):
    # The first reply begins below the cap and reaches it; the second is not asked for.
    caps = Caps(episode=Cap(tokens=TOKENS[0]))
    (episode,) = (await play(stage.crew(GOLD, budget=Budget(caps)))).episodes
    assert (episode.outcome, episode.stop_reason) == (Outcome.SCORED, StopReason.BUDGET)
    assert len(episode.trajectory.replies()) == 1
    assert episode.reward is not None


async def test_a_run_at_its_cap_stops_keeps_what_is_finished_and_goes_on_when_it_is_raised(stage, play):
    charges = []
    # Enough for one episode and a part of the second.
    first = Budget(Caps(run=Cap(tokens=sum(TOKENS) + 1)), record=charges.append)
    played = await play(stage.crew(GOLD, budget=first), k=4, concurrency=1)
    assert [one.slot for one in played.episodes] == [0]
    (event,) = [one for one in played.events if isinstance(one, BudgetReached)]
    assert event.scope == "run"
    assert played.failures == []
    # At most the calls under way are spent beyond the cap.
    assert first.total.prompt_tokens + first.total.completion_tokens <= sum(TOKENS) + 1 + max(TOKENS)

    second = Budget(Caps(run=Cap(tokens=10**6)), charges)
    again = await play(stage.crew(GOLD, budget=second), k=4, concurrency=1)
    assert [one.slot for one in again.episodes] == [0, 1, 2, 3]
    assert {one.stop_reason for one in again.episodes} == {StopReason.FINISHED}


async def test_a_run_whose_cap_was_reached_before_starts_nothing(stage, play, puppet_sandbox):
    spent = [Charge(task_id="copy", slot=0, prompt_tokens=9, completion_tokens=0, cost_usd=0.0)]
    budget = Budget(Caps(run=Cap(tokens=5)), spent)
    played = await play(stage.crew(GOLD, sandbox=puppet_sandbox, budget=budget), k=2)
    assert (played.episodes, puppet_sandbox.opened) == ([], 0)
    assert [type(one) for one in played.events] == [BudgetReached]


async def test_a_task_at_its_cap_leaves_the_others_alone(stage, play, make_task):
    budget = Budget(Caps(task=Cap(tokens=sum(TOKENS))))
    played = await play(stage.crew(GOLD, budget=budget), k=3, concurrency=1, tasks=[make_task("one"), make_task("two")])
    assert [(one.task_id, one.slot) for one in played.episodes] == [("one", 0), ("two", 0)]
    assert [one.scope for one in played.events if isinstance(one, BudgetReached)] == ["one", "two"]


async def test_a_scaffold_that_swallows_the_refusal_has_not_played_to_an_end(stage, play, puppets):
    class Stubborn(puppets["scaffold"]):
        async def run(self, episode):
            try:
                await super().run(episode)
            except BudgetError:
                return

    played = await play(stage.crew(GOLD, scaffold=Stubborn(), budget=Budget(Caps(run=Cap(tokens=5)))))
    assert played.episodes == []
    assert played.failures == []
