"""What the settings of a run become in its episodes."""

from sandmle.core.engine.crews import _rules
from sandmle.core.engine.settings import RunSettings
from sandmle.core.types.sandbox import SandboxLimits


def test_hours_and_gibibytes_reach_the_sandbox_as_they_were_configured() -> None:
    heavy = _rules(
        RunSettings(
            cell_timeout_s=36_000, episode_timeout_s=86_400, memory_mb=65_536, workdir_mb=100_000, processes=512
        )
    )
    assert (heavy.limits.cell_timeout_s, heavy.limits.episode_timeout_s) == (36_000, 86_400)
    assert heavy.sandbox_limits == SandboxLimits(memory_mb=65_536, workdir_mb=100_000, processes=512)
    assert _rules(RunSettings()).sandbox_limits == SandboxLimits()
