"""Technical Writer: the description an agent reads, written from columns, files and metric, never from the rule."""

from typing import Any

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction
from sandmle.plugins.llms.offline.roles.plan import Plan, read_plan
from sandmle.plugins.llms.offline.roles.prompt import Question


def writing(question: Question) -> dict[str, Any]:
    """Answer the Writer's prompt.

    Raises:
        Unanswerable: the strategy is missing or cannot be read.
    """
    plan = read_plan(question)
    evaluation = question.mapping("Evaluation")
    strategy = question.mapping("Strategy")
    files = question.block("Files")
    # A repair changes the order of the parts: what the checks look for may have been overlooked where it stood.
    sections = [_data(plan), _metric(plan), _submission(plan, evaluation), _files(plan, files)]
    turn = len(question.problems) % len(sections)
    body = "\n\n".join(sections[turn:] + sections[:turn])
    told = "\n\nEvery column, the metric and the form of a submission are named above." if question.problems else ""
    return {"description": f"# {plan.title}\n\n{strategy['scenario']}\n\n{body}{told}\n"}


def _data(plan: Plan) -> str:
    lines = [
        "## Data",
        "",
        f"`train.csv` has {plan.train} rows with the answer, `test.csv` has {plan.public + plan.private} rows without.",
        "",
        "| column | kind | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{one['name']}` | {one['kind']} | {one['meaning']} |" for one in plan.columns]
    if plan.targets[1:]:
        many = (
            "Any number of the labels may apply to a row"
            if plan.task_type == "multilabel"
            else "All of them are asked for"
        )
        lines += ["", f"{len(plan.targets)} columns are targets: `test.csv` does not have them. {many}."]
    if plan.classes:
        lines += ["", f"The classes are {', '.join(f'`{name}`' for name in sorted(plan.classes))}."]
    lines += ["", "The data was collected in daily work and is not free of mistakes."]
    return "\n".join(lines)


def _metric(plan: Plan) -> str:
    metric = METRICS[plan.metric]
    better = "higher is better" if metric.direction is Direction.MAXIMIZE else "lower is better"
    return f"## Metric\n\nSubmissions are scored by `{metric.name}`: {metric.summary}; {better}."


def _submission(plan: Plan, evaluation: dict[str, Any]) -> str:
    columns = [evaluation.get("id_column", plan.id_column), *evaluation.get("target_columns", [plan.target])]
    order = sorted(plan.classes)
    if plan.prediction is Prediction.LABEL:
        holds = f"`{plan.target}` holds one of the classes as written in `train.csv`"
    elif plan.prediction is Prediction.LABELS:
        holds = "each label's column holds the probability, between 0 and 1, that the row has that label"
    elif plan.task_type == "ranking":
        holds = (
            f"`{plan.target}` holds a number by which the rows are ordered, the highest first; only their order counts"
        )
    elif plan.targets[1:]:
        holds = "each column after the first holds a number"
    elif plan.prediction is Prediction.VALUE:
        holds = f"`{plan.target}` holds a number"
    elif len(order) == 2:
        holds = f"`{plan.target}` holds the probability of `{order[1]}`, between 0 and 1"
    else:
        holds = "each class column holds the probability of that class, and a row adds up to 1"
    header = ", ".join(f"`{name}`" for name in columns)
    return (
        "## Submission\n\nWrite `submission.csv` with a header and one line for every row of `test.csv`. "
        f"Its columns are {header}; {holds}. `sample_submission.csv` shows the form."
    )


def _files(plan: Plan, files: Any) -> str:
    paths = [str(one.get("path", "")) for one in files if isinstance(one, dict)]
    public = [path.removeprefix("public/") for path in paths if not path.startswith("private/")]
    tables = [path for path in public if "/" not in path] or ["train.csv", "test.csv", "sample_submission.csv"]
    lines = ["## Files", "", *[f"- `{path}`" for path in sorted(tables)]]
    told = {
        "image": "- `images/`: the pictures, named in the column `image`",
        "audio": "- `sounds/`: the recordings, named in the column `sound`",
        "series": "- `series/`: the readings of each row, named in the column `series`",
        "graph": "\n`edges.csv` has one line for every link between two rows of `train.csv` and `test.csv`, by their "
        "ids in the columns `node` and `linked_to`; a link has no direction.",
    }
    lines += [line for kind, line in told.items() if kind in plan.material]
    return "\n".join(lines)
