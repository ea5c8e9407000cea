"""The nodes of the synthesizer's graph: what each does to a draft, and which way it goes from there."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, Literal, TypedDict

from langgraph.runtime import Runtime

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import Dossier, RuleFamily, SynthRole
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.role_budget import RoleBudget
from sandmle.core.engine.settings import SynthesisSettings
from sandmle.core.errors import PluginError, ProviderError, TaskError, boundary
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.core.types.synthesis import Evidence, TaskDraft, TaskProblem
from sandmle.core.types.task import TaskSpec
from sandmle.plugins.synthesizer import prompts
from sandmle.plugins.synthesizer.answers import MAX_REPLY_CHARACTERS, parse_answer
from sandmle.plugins.synthesizer.assembly import assemble
from sandmle.plugins.synthesizer.evidence import Measured, measure
from sandmle.plugins.synthesizer.roles import BUILT_IN
from sandmle.plugins.synthesizer.tables import FaultError

EVIDENCE, CHECKS = "evidence", "checks"
PROVIDER_PATIENCE: Final = 4
"""A provider retries within its own deadlines; one that hangs is given up after that many of them."""


class DraftState(TypedDict, total=False):
    """What is known of one draft while the graph runs."""

    dossier: Dossier
    conversation: tuple[Message, ...]
    """Of the role that is playing; empty before its first answer."""
    complaint: str | None
    """What was wrong with the last answer; None when it held."""
    tries: dict[str, int]
    prompt_sha256: dict[str, str]
    measured: Measured
    task: TaskDraft
    problem: TaskProblem
    """Why the draft is rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftContext:
    """What the nodes work with; the same for every draft but `accepted_before` and `budget`."""

    roles: Mapping[str, SynthRole]
    models: Mapping[str, ChatModel]
    """Role name to the model that plays it."""
    sandbox: Sandbox
    grader: LocalGrader
    settings: SynthesisSettings
    corpus_rng_seed: int
    judge: Callable[[TaskDraft, Evidence], Sequence[TaskProblem]]
    """Asks every plugin's checks."""
    accepted_before: Callable[[], Awaitable[tuple[TaskSpec, ...]]]
    budget: RoleBudget
    rules: tuple[RuleFamily, ...] = ()
    """Rule families of plugins, named in the settings."""


async def play_role(state: DraftState, runtime: Runtime[DraftContext], *, name: str) -> DraftState:
    """Ask one role once, parse its answer and try it out."""
    context, dossier = runtime.context, state["dossier"]
    role, number = context.roles[name], state.get("tries", {}).get(name, 0)
    with _own_code(name, "prompt"):
        conversation = state.get("conversation") or tuple(role.prompt(dossier))
    options = ReplyOptions(
        temperature=context.settings.temperature,
        max_tokens=context.settings.max_tokens,
        sample_index=number,
        json_schema=role.answer_type.model_json_schema(),
        timeout_s=context.settings.llm_timeout_s,
    )
    context.budget.check(name)
    async with deadline(PROVIDER_PATIENCE * options.timeout_s, ProviderError, f"the reply of {name}"):
        reply = await context.models[name].reply(conversation, options)
    context.budget.charge(name, dossier.index, reply)
    tries = {**state.get("tries", {}), name: number + 1}
    try:
        answer = parse_answer(reply.text, role.answer_type)
    except FaultError as fault:
        cut = " (the reply was cut at the token limit)" if reply.finish_reason == "length" else ""
        return _repairable(conversation, reply.text, f"{fault}{cut}", tries)
    with _own_code(name, "trial"):
        verdict = await role.trial(answer, dossier, context.sandbox)
    if verdict.problem is not None:
        return _repairable(conversation, reply.text, verdict.problem, tries)
    told = replace(dossier, answers={**dossier.answers, name: answer}, files={**dossier.files, **verdict.files})
    hashes = {**state.get("prompt_sha256", {}), name: prompts.fingerprint(conversation)}
    return {"dossier": told, "conversation": (), "complaint": None, "tries": tries, "prompt_sha256": hashes}


def _own_code(name: str, method: str) -> AbstractContextManager[None]:
    """What a plugin's role raises is that plugin's failure; a built-in's is ours and keeps its traceback."""
    if name in BUILT_IN:
        return nullcontext()
    return boundary(PluginError, f"role {name!r} failed in its {method}(); the plugin that registers it must be mended")


def _repairable(conversation: tuple[Message, ...], said: str, problem: str, tries: dict[str, int]) -> DraftState:
    # Half of a surrogate pair can be sent to no one.
    quoted = said[:MAX_REPLY_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    longer = (*conversation, Message(role="assistant", content=quoted), prompts.repair(problem))
    return {"conversation": longer, "complaint": problem, "tries": tries}


def route_role(
    state: DraftState, runtime: Runtime[DraftContext], *, name: str
) -> Literal["accept", "repair", "give-up"]:
    """After a role: on to the next, back to the same, or out when its tries are used up."""
    if state["complaint"] is None:
        return "accept"
    return "repair" if state["tries"][name] < runtime.context.settings.tries else "give-up"


def give_up(state: DraftState) -> DraftState:
    """Reject a draft whose role did not come to a usable answer."""
    role = list(state["tries"])[-1]
    return {"problem": TaskProblem(check=f"role:{role}", message=state["complaint"] or "no answer")}


async def gather_evidence(state: DraftState, runtime: Runtime[DraftContext]) -> DraftState:
    """Measure the draft and put the task together."""
    context, dossier = runtime.context, state["dossier"]
    try:
        measured = await measure(
            dossier,
            context.sandbox,
            context.grader,
            context.settings.script_timeout_s,
            by_ladder=context.settings.thresholds == "ladder",
        )
    except (FaultError, TaskError) as problem:
        return {"problem": TaskProblem(check=EVIDENCE, message=str(problem))}
    models = {name: model.name for name, model in context.models.items()}
    task = assemble(
        dossier, measured, prompt_sha256=state["prompt_sha256"], models=models, rng_seed=context.corpus_rng_seed
    )
    return {"measured": measured, "task": task}


def route_evidence(state: DraftState) -> Literal["judge", "reject"]:
    """A draft that cannot be measured is not judged."""
    return "reject" if "problem" in state else "judge"


async def judge(state: DraftState, runtime: Runtime[DraftContext]) -> DraftState:
    """Let every plugin's checks judge the draft, beside the tasks of all earlier drafts."""
    accepted = await runtime.context.accepted_before()
    evidence = replace(state["measured"].evidence, accepted=accepted)
    problems = runtime.context.judge(state["task"], evidence)
    if not problems:
        return {}
    more = f" (and {len(problems) - 1} more: {', '.join(one.check for one in problems[1:])})" if problems[1:] else ""
    return {"problem": TaskProblem(check=problems[0].check, message=f"{problems[0].message}{more}")}
