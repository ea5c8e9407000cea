"""What this package brings. Importing it is cheap: the implementations are imported when they are made."""

from typing import Any

from sandmle import Evidence, Spec, TaskDraft, TaskProblem, hookimpl


@hookimpl
def sandmle_register_synth_roles() -> list[Spec[Any]]:
    def make(config: Any) -> Any:
        from sandmle_reviewer.role import Reviewer

        return Reviewer()

    return [Spec(name="reviewer", summary="says whether a competition could be made of a plan", make=make)]


@hookimpl
def sandmle_check_task(task: TaskDraft, evidence: Evidence) -> list[TaskProblem]:
    from sandmle_reviewer.check import obey

    return obey(evidence)


@hookimpl
def sandmle_register_llm_providers() -> list[Spec[Any]]:
    def make(config: Any) -> Any:
        from sandmle_reviewer.tides import Tides

        return Tides()

    return [Spec(name="tides", summary="plays the roles by rule, with tides as its rule family", make=make)]
