"""Each scaffold over each protocol: real servers on loopback, the real sandbox, the real grader."""

import pytest
import pytest_asyncio

from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.engine.attempt import Attempt, Crew
from sandmle.core.engine.environment import Rules
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.recording import Sampling
from sandmle.core.engine.scoring import open_preset
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Outcome
from sandmle.core.types.trajectory import ActionKind, FeedbackMode
from tests.core.engine.conftest import copying_draft
from tests.loopback.copyist import play
from tests.loopback.protocols import PROTOCOLS
from tests.loopback.server import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
SCAFFOLDS = ("aide", "aira", "codeact", "mle_agent", "openai_tools", "react", "single_turn")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    """What all episodes share: a task, a started sandbox, a grader."""
    # The copyist's programs import nothing that takes time.
    toolkit = open_toolkit(overrides={"plugin.sandbox.process.preload": []})
    task = write_task(tmp_path_factory.mktemp("tasks"), copying_draft("copy"))
    sandbox, grader = toolkit.make(Kind.SANDBOX, "process"), LocalGrader()
    try:
        await sandbox.start()
        yield toolkit, task, sandbox, grader
    finally:
        await sandbox.close()
        await grader.close()


async def played(stage, scaffold, model, **options):
    toolkit, task, sandbox, grader = stage
    asking = toolkit.override({f"plugin.llm.litellm.{name}": value for name, value in options.items()})
    opened = asking.open_model(model)
    limits = EpisodeLimits(max_turns=5, cell_timeout_s=60, episode_timeout_s=300, max_scored_submissions=5)
    crew = Crew(
        model=opened,
        scaffold=toolkit.make(Kind.SCAFFOLD, scaffold),
        sandbox=sandbox,
        grader=grader,
        preset=open_preset(toolkit, "release"),
        rules=Rules(feedback=FeedbackMode.PUBLIC_BOARD, limits=limits),
        sampling=Sampling(rng_seed=7, temperature=1.0, max_tokens=2000, llm_timeout_s=60),
    )
    try:
        return await Attempt(crew, task, 0).play()
    finally:
        await opened.close()


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("scaffold", SCAFFOLDS)
async def test_it_ends_with_a_valid_submission(stage, monkeypatch, scaffold, protocol):
    spoken = PROTOCOLS[protocol]
    if spoken.key_variable:
        monkeypatch.setenv(spoken.key_variable, "loopback-key")
    seen = []

    def watched(messages, request):
        seen.append(request.body)
        return play(messages, request)

    with serving(spoken.responder(watched)) as server:
        episode = await played(stage, scaffold, spoken.model, api_base=server.address + spoken.suffix)
    assert episode.outcome is Outcome.SCORED, episode.failure
    assert episode.grade.valid
    kinds = [step.action.kind for step in episode.trajectory.steps]
    assert ActionKind.RUN_CODE in kinds
    assert ActionKind.INVALID not in kinds
    assert episode.usage.prompt_tokens == 11 * len(seen)
    assert all(("tools" in body) == (scaffold == "openai_tools") for body in seen)
