"""What four good roles answer for one small task, and for others like it that are no duplicates of it."""

import copy
import re
from collections.abc import Sequence
from typing import Any

from sandmle.core.types.message import Message

ROLES = ("data-strategist", "ml-developer", "mlops-engineer", "technical-writer")

STRATEGY: dict[str, Any] = {
    "title": "Drying time of painted doors",
    "domain": "joinery",
    "scenario": "A workshop plans when a painted door can be packed. One row is one door leaving the booth.",
    "modality": "tabular",
    "task_type": "regression",
    "metric": "rmse",
    "train_rows": 120,
    "public_board_rows": 200,
    "private_board_rows": 1000,
    "columns": [
        {"name": "door_id", "kind": "id", "meaning": "number of the door"},
        {"name": "film", "kind": "number", "meaning": "thickness of the film, micrometres"},
        {"name": "humidity", "kind": "number", "meaning": "relative humidity, percent"},
        {"name": "wood", "kind": "category", "meaning": "kind of wood"},
        {"name": "minutes", "kind": "target", "meaning": "minutes until the film is dry"},
    ],
    "rule_family": "damped-product",
    "hidden_rule": "The target is minutes = 40 + 3*film - 2*humidity + 0.5*film*humidity for every kind of wood.",
    "noise_families": ["gaussian"],
    "noise": "Gaussian noise of standard deviation 1 is added to the target.",
}

SCRIPT = """
import csv, os
import numpy as np
rng = np.random.default_rng(RNG_SEED)
n_train, n_test = 120, 1200
n = n_train + n_test
film, humidity = rng.normal(size=n).round(4), rng.normal(size=n).round(4)
wood = rng.choice(["oak", "pine"], size=n)
clean = 40 + 3 * film - 2 * humidity + 0.5 * film * humidity
minutes = (clean + rng.normal(size=n)).round(4)
ids = rng.permutation(90000)[:n] + 10000
board = np.array(["public"] * 200 + ["private"] * 1000)
rng.shuffle(board)
os.makedirs("public"); os.makedirs("private")
def write(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\\n")
        writer.writerow(header)
        writer.writerows(rows)
train, test = range(n_train), range(n_train, n)
features = lambda i: [ids[i], film[i], humidity[i], wood[i]]
names = ["door_id", "film", "humidity", "wood"]
write("public/train.csv", names + ["minutes"], [features(i) + [minutes[i]] for i in train])
write("public/test.csv", names, [features(i) for i in test])
write("public/sample_submission.csv", ["door_id", "minutes"], [[ids[i], 0.0] for i in test])
write("private/answers.csv", ["door_id", "minutes", "board"], [[ids[i], minutes[i], board[i - n_train]] for i in test])
write("private/oracle.csv", ["door_id", "minutes"], [[ids[i], clean[i].round(4)] for i in test])
"""

SOLUTION = """
import csv
import numpy as np
rows = list(csv.DictReader(open("data/train.csv")))
test = list(csv.DictReader(open("data/test.csv")))
matrix = lambda some: np.array([[1.0, float(row["film"]), float(row["humidity"])] for row in some])
y = np.array([float(row["minutes"]) for row in rows])
weights = np.linalg.lstsq(matrix(rows), y, rcond=None)[0]
predicted = y.mean() + {shrunk} * (matrix(test) @ weights - y.mean())
with open("submission.csv", "w") as file:
    file.write("door_id,minutes\\n")
    for row, value in zip(test, predicted):
        file.write(f"{{row['door_id']}},{{value:.6f}}\\n")
"""

DESCRIPTION = """
# Drying time of painted doors

A workshop plans when a painted door can be packed. One row is one door. The measurements are noisy.

Files: train.csv, test.csv, sample_submission.csv.

Columns: door_id (number of the door), film (thickness of the film, micrometres), humidity (relative humidity,
percent), wood (kind of wood), minutes (the target: minutes until the film is dry).

Submissions are scored by rmse; lower is better. Write door_id,minutes.
"""


VARIANTS = (
    ("Drying time of painted doors", "joinery"),
    ("Curing of glazed kitchen tiles", "ceramics"),
    ("Ripening of wheels in a cellar", "dairy"),
    ("Cooling of castings before release", "foundry"),
    ("Fading of banners under sunlight", "textiles"),
    ("Filling of buffer tanks at night", "water supply"),
)
"""Titles and domains that share no word."""


def answers_of(number: int) -> dict[str, dict[str, Any]]:
    """Role name to an answer that passes; tasks of different numbers are told apart by the checks."""
    title, domain = VARIANTS[number % len(VARIANTS)]
    strategy = {
        **copy.deepcopy(STRATEGY),
        "title": title,
        "domain": domain,
        "rule_family": "damped-product" if number == 0 else f"damped-product-{number}",
    }
    solutions = [{"name": f"shrunk-{member}", "code": SOLUTION.format(shrunk=member / 14)} for member in range(14)]
    evaluation = {
        "metric": "rmse",
        "id_column": "door_id",
        "target_columns": ["minutes"],
        "prediction": "value",
        "classes": [],
        "solutions": solutions,
    }
    return {
        "data-strategist": strategy,
        "ml-developer": {"script": SCRIPT},
        "mlops-engineer": evaluation,
        "technical-writer": {"description": DESCRIPTION},
    }


def role_asked(messages: Sequence[Message]) -> str:
    """The role that a conversation names."""
    prompt = next(message.content for message in messages if message.role == "user" and "# Role: " in message.content)
    found = re.search(r"^# Role: ([a-z-]+)\n", prompt, re.MULTILINE)
    assert found, prompt[:80]
    return found[1]
