import pytest

from sandmle.core.engine.scoring import Preset, open_preset, reward_of
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal


@pytest.fixture
def open_with():
    plugins = load_plugins(builtins=["sandmle.rewards.plugin"])

    def make(name, presets=None):
        settings = Settings.model_validate({"reward": {"presets": presets}} if presets else {})
        return open_preset(Toolkit(plugins=plugins, settings=settings), name)

    return make


class Fixed:
    name = "fixed"

    def __init__(self, given):
        self._given = given

    def value(self, episode):
        if isinstance(self._given, Exception):
            raise self._given
        return self._given


def fixed(**values):
    return Preset(
        name="p", weights={name: 0.5 for name in values}, milestones=tuple(Fixed(one) for one in values.values())
    )


@pytest.mark.parametrize(
    ("preset", "total"),
    [("paper", 0.1 + 0.3 + 0.1 + 0.2), ("release", 0.1 + 0.2 + 0.1 + 0.4), ("sparse", 0.1)],
)
def test_a_bronze_medal_pays_what_each_preset_says(open_with, make_episode, preset, total):
    reward = reward_of(make_episode(medal=Medal.BRONZE), open_with(preset))
    assert reward.preset == preset
    assert reward.total == pytest.approx(total)
    assert set(reward.parts) == set(reward.weights)


def test_the_best_episode_earns_exactly_one(open_with, make_episode):
    best = make_episode(score=0.05, medal=Medal.GOLD)
    assert [reward_of(best, open_with(name)).total for name in ("paper", "release", "sparse")] == [1.0, 1.0, 1.0]


def test_an_episode_without_a_valid_submission_has_a_reward_of_its_format_only(open_with, make_episode):
    reward = reward_of(make_episode(outcome=Outcome.UNSCORED), open_with("release"))
    assert reward.total == pytest.approx(0.1)


def test_an_infrastructure_failure_has_no_reward_rather_than_zero(open_with, make_episode):
    assert reward_of(make_episode(outcome=Outcome.INFRASTRUCTURE), open_with("release")) is None


def test_a_part_that_was_not_computed_leaves_the_total_uncomputed(make_episode):
    reward = reward_of(make_episode(), fixed(known=1.0, unknown=None))
    assert (reward.total, dict(reward.parts)) == (None, {"known": 1.0, "unknown": None})


@pytest.mark.parametrize("given", [1.5, -0.1, float("nan"), "1", KeyError("x")])
def test_a_milestone_that_breaks_its_contract_is_that_plugins_failure(make_episode, given):
    with pytest.raises(PluginError, match=r"milestone 'odd' .*a/0"):
        reward_of(make_episode(), fixed(odd=given))


def test_an_unknown_preset_or_milestone_names_the_nearest(open_with):
    with pytest.raises(ConfigError, match="did you mean 'release'"):
        open_with("releese")
    with pytest.raises(ConfigError, match=r"reward\.presets\.mine: no milestone named 'gald'; did you mean 'gold'"):
        open_with("mine", {"mine": {"gald": 1.0}})


def test_a_weight_that_is_no_number_is_refused(open_with):
    with pytest.raises(ConfigError, match=r"reward\.presets\.mine\.gold"):
        open_with("mine", {"mine": {"gold": float("nan")}})
