"""The role `reviewer`: it plays anywhere after the data strategist, whose plan it reads."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sandmle import Message
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.synthesis import Dossier, RoleVerdict
from sandmle.core.types.synthesis import Strategy

NAME = "reviewer"
PROMPT = """# Role: reviewer

You review the plan of a machine-learning competition before anything is made of it. Reject it when the scenario names a
real person or company, when a column would give the target away, or when nobody would need the prediction.

## Plan
```json
{plan}
```

Answer with one JSON object: {{"verdict": "accept" or "reject", "concerns": ["what speaks against it", ...]}}."""


class Review(BaseModel):
    """What the model answers: text from outside, so it is a pydantic model."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    verdict: Literal["accept", "reject"]
    concerns: list[str]


class Reviewer:
    """Asks for a verdict on the plan."""

    name = NAME
    answer_type: type[BaseModel] = Review

    def prompt(self, dossier: Dossier) -> list[Message]:
        """The reviewer sees what an agent will be told, and not the rule."""
        plan = dossier.answers["data-strategist"]
        assert isinstance(plan, Strategy)
        told = plan.model_dump(mode="json", include={"title", "domain", "scenario", "columns", "metric", "task_type"})
        return [Message(role="user", content=PROMPT.format(plan=json.dumps(told, ensure_ascii=False, indent=1)))]

    async def trial(self, answer: BaseModel, dossier: Dossier, sandbox: Sandbox) -> RoleVerdict:
        """A rejection has to say why; otherwise that goes back to the model."""
        assert isinstance(answer, Review)
        if answer.verdict == "reject" and not any(concern.strip() for concern in answer.concerns):
            return RoleVerdict(problem="a plan was rejected without a word: say in `concerns` what speaks against it")
        return RoleVerdict()
