"""What is exported, read back by the packages that read it; each test says why it is skipped where they are not."""

import os
import runpy

import pytest

TOKENIZER = """
import json, sys, types
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
letters = {letter: at for at, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
made = Tokenizer(models.BPE(vocab=letters, merges=[]))
made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
made.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>", pad_token="<pad>")
tokenizer.chat_template = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{call {{ call.function.name }}}{% endfor %}<end>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
"""


@pytest.fixture
def run(make, write_run):
    """Episodes of every kind: plain, native calls, token-exact, edited history, odd turns, examples that were shown."""
    exact = (
        make.said("user", "go"),
        make.spoken(0, "a", exact=([1, 2], [3, 4])),
        make.said("user", "next 雪"),
        make.spoken(1, "b", exact=([1, 2, 3, 4, 5], [6])),
    )
    shown = (make.said("user", "a"), make.said("assistant", "an example"), *make.talk[1:3])
    made = [
        make.episode(),
        make.episode(make.calling, slot=1),
        make.episode(exact, slot=2),
        make.episode(make.talk[:3], (*make.talk[:3], make.said("user", "on"), make.spoken(1, "end")), slot=3),
        make.episode(make.unruly, slot=4, grade=None, reward=None),
        make.episode(shown, task="pears"),
    ]
    return write_run(*made)


PARQUET = """
import json, sys, pyarrow.parquet
print(json.dumps(pyarrow.parquet.read_table(sys.argv[1]).to_pylist()))
"""


@pytest.mark.openrlhf
def test_pyarrow_reads_the_parquet(make, run, export, tmp_path):
    read = make.read_back("pyarrow")
    if not make.can_import("pyarrow"):
        pytest.skip("to write parquet, pyarrow has to be installed here: sandmle[parquet]")
    export(run, "--format", "parquet", "-o", tmp_path / "all.parquet")
    export(run, "--format", "sft", "-o", tmp_path / "all.jsonl")
    rows, lines = read(PARQUET, tmp_path / "all.parquet"), make.lines(tmp_path / "all.jsonl")
    assert [bare(row) for row in rows] == [bare(line) for line in lines]
    export(run, "--format", "parquet", "--ids", "-o", tmp_path / "ids.parquet")
    (row,) = read(PARQUET, tmp_path / "ids.parquet")
    assert row["observation_tokens"] == [1, 2, 3, 4, 5, 6]
    assert row["action_ranges"] == [[2, 4], [5, 6]]
    assert row["rollout_log_probs"] == [0, 0, -0.5, -0.5, 0, -0.5]


def bare(value):
    """Without what is null: a table has a cell for everything."""
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items() if one is not None}
    return [bare(one) for one in value] if isinstance(value, list) else value


DATASETS = """
import json, sys, datasets
rows = datasets.load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])
print(json.dumps(list(rows)))
"""


@pytest.mark.openrlhf
@pytest.mark.parametrize("form", ["sft", "sharegpt", "openrlhf"])
def test_datasets_loads_the_lines(make, run, export, tmp_path, form):
    read, out = make.read_back("datasets"), tmp_path / f"{form}.jsonl"
    export(run, "--format", form, "-o", out)
    rows = read(DATASETS, out, tmp_path / "cache")
    assert [bare(row) for row in rows] == [bare(line) for line in make.lines(out)]


OPENRLHF = (
    TOKENIZER
    + """
from openrlhf.datasets import PromptDataset, SFTDataset
from openrlhf.datasets.utils import blending_datasets
def strategy(**data):
    data = types.SimpleNamespace(apply_chat_template=True, **data)
    return types.SimpleNamespace(args=types.SimpleNamespace(data=data), print=lambda *_: None, is_rank_0=lambda: True)
ours = strategy(input_key="messages", output_key=None)
rows = blending_datasets(sys.argv[1], None, ours)
made = SFTDataset(rows, tokenizer, 4096, ours, num_processors=None, multiturn=True)
learned = []
for at in range(len(made)):
    ids, _, mask = made[at]
    ids, mask = ids[0].tolist(), mask[0].tolist()
    # The mask stands one place before what is predicted.
    learned.append(tokenizer.decode([ids[at + 1] for at in range(len(ids) - 1) if mask[at]]))
ours = strategy(input_key="prompt", label_key="label")
made = PromptDataset(blending_datasets(sys.argv[2], None, ours), tokenizer, ours)
print(json.dumps([learned, [made[at][:3] for at in range(len(made))]]))
"""
)


@pytest.mark.openrlhf
def test_openrlhf_imitates_what_was_said_and_asks_the_prompts(make, run, export, tmp_path):
    read = make.read_back("openrlhf", "torch", "datasets")
    export(run, "--format", "sft", "-o", tmp_path / "sft.jsonl")
    export(run, "--format", "openrlhf", "-o", tmp_path / "prompts.jsonl")
    learned, asked = read(OPENRLHF, tmp_path / "sft.jsonl", tmp_path / "prompts.jsonl")
    assert len(learned) == 7
    assert learned[0] == "<think>look</think>print(1)<end><answer>submission</answer><end>"
    assert learned[1] == "{call run_python}{call submit}<end>done<end>"
    assert learned[2] == "a<end>b<end>"
    assert [source for source, _, _ in asked] == ["sandmle"] * 5
    assert asked[0][1] == "[system]You compete.<end>[user]Predict it. Ünïcode, too: 雪<end>[assistant]"
    assert asked[0][2] == '{"task_id": "apples", "scaffold": "react"}'


TRL = (
    TOKENIZER
    + """
import datasets
from trl.data_utils import apply_chat_template, is_conversational, maybe_convert_to_chatml
found = []
for path in sys.argv[2:]:
    texts = []
    for row in datasets.load_dataset("json", data_files=path, split="train", cache_dir=sys.argv[1]):
        row = maybe_convert_to_chatml(row)
        assert is_conversational(row)
        texts.append(apply_chat_template({"messages": row["messages"]}, tokenizer)["text"])
    found.append(texts)
print(json.dumps(found))
"""
)


@pytest.mark.openrlhf
def test_trl_takes_the_lines_as_conversations(make, run, export, tmp_path):
    read = make.read_back("trl", "torch", "datasets")
    for form in ("sft", "sharegpt"):
        export(run, "--format", form, "-o", tmp_path / f"{form}.jsonl")
    found = read(TRL, tmp_path / "cache", tmp_path / "sft.jsonl", tmp_path / "sharegpt.jsonl")
    for texts, user, assistant in zip(found, ("user", "human"), ("assistant", "gpt"), strict=True):
        assert len(texts) == 7
        opening = f"[system]You compete.<end>[{user}]Predict it. Ünïcode, too: 雪<end>[{assistant}]<think>"
        assert texts[0].startswith(opening)


LLAMAFACTORY = """
import json, sys, types, datasets
from llamafactory.data.converter import SharegptDatasetConverter
from llamafactory.data.formatter import FunctionFormatter
from llamafactory.data.parser import DatasetAttr
convert = SharegptDatasetConverter(DatasetAttr("file", "x", formatting="sharegpt"), types.SimpleNamespace())
form = FunctionFormatter(slots=["{{content}}"], tool_format="qwen")
words = {"thought_words": ("<think>\\n", "\\n</think>\\n\\n"), "tool_call_words": ("<tool_call>", "</tool_call>")}
rows = datasets.load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])
found = [convert(row) for row in rows]
for row in found:
    for turn in row["_prompt"] + row["_response"]:
        if turn["role"] == "function":
            turn["content"] = form.apply(content=turn["content"], **words)[0]
print(json.dumps([[row["_system"], row["_prompt"], row["_response"]] for row in found]))
"""


def test_llamafactory_takes_every_conversation_and_reads_its_calls(make, run, export, tmp_path):
    read, out = make.read_back("llamafactory", "torch", "datasets"), tmp_path / "out.jsonl"
    export(run, "--format", "sharegpt", "-o", out)
    found = read(LLAMAFACTORY, out, tmp_path / "cache")
    # A conversation whose turns it does not like comes out empty.
    assert [bool(prompt and response) for _, prompt, response in found] == [True] * 7
    assert [turn["role"] for turn in found[1][1]] == ["user", "function", "observation"]
    assert found[1][1][1]["content"].startswith("<think>\nhm\n</think>\n\n<tool_call>\n")
    assert found[5][1][5]["content"].startswith("I run it.\n<tool_call>\n")


ATIF = """
import json, sys
from harbor.models.trajectories import Trajectory
read = [Trajectory.model_validate_json(line) for line in open(sys.argv[1])]
print(json.dumps([json.loads(one.model_dump_json(exclude_none=True)) for one in read]))
"""


@pytest.mark.parametrize("ids", [(), ("--ids",)])
def test_harbor_reads_the_atif_documents(make, run, export, tmp_path, ids):
    read, out = make.read_back("harbor"), tmp_path / "out.jsonl"
    export(run, "--format", "atif", *ids, "-o", out)
    again = read(ATIF, out)
    assert [bare(one) for one in again] == [bare(one) for one in make.lines(out)]
    assert len(again) == (1 if ids else 6)


HARBOR = """
import json, pathlib, sys, types
from harbor.lint.task import lint_task
from harbor.models.task.task import Task
from harbor.models.task.verifier_mode import resolve_verifier_environment_definition
from harbor.models.trial.paths import TrialPaths
from harbor.verifier.verifier import Verifier
found = []
for folder in sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_dir()):
    task = Task(folder)
    where = resolve_verifier_environment_definition(task.config, task.paths)
    paths = TrialPaths(pathlib.Path(sys.argv[2]))
    found.append({
        "valid": Task.is_valid_dir(folder),
        "name": task.name,
        "mode": task.config.verifier.environment_mode.value,
        "verifier": [where.directory.name, where.bundled_tests],
        "instruction": task.instruction,
        "rules": sorted({str(one.rule.value) for one in lint_task(folder)}),
        "rewards": Verifier._parse_reward_json(types.SimpleNamespace(trial_paths=paths)),
    })
print(json.dumps(found))
"""


def test_harbor_loads_the_task_directories_and_reads_their_rewards(make, write_tasks, export_tasks, tmp_path):
    read = make.read_back("harbor")
    export_tasks(write_tasks(*make.kinds[:3]), "--format", "harbor", "-o", tmp_path / "out")
    folder = tmp_path / "out" / "task-00-rmse"
    rewards = tmp_path / "trial" / "verifier" / "reward.json"
    rewards.parent.mkdir(parents=True)
    verify = runpy.run_path(str(folder / "tests" / "grade.py"))["main"]
    verify(str(folder / "solution" / "submission.csv"), str(rewards))
    found = read(HARBOR, tmp_path / "out", tmp_path / "trial")
    assert [task["name"] for task in found] == [f"sandmle/{name}" for name in sorted(os.listdir(tmp_path / "tasks"))]
    for task in found:
        assert (task["valid"], task["mode"], task["verifier"]) == (True, "separate", ["tests", True])
        assert "/app/submission.csv" in task["instruction"]
        # Digests of images are nothing that an export can know, and who the agent is in its container is Harbor's.
        assert set(task["rules"]) <= {"unpinned-image", "root-agent"}
        assert (task["rewards"]["reward"], task["rewards"]["gold_medal"]) == (1.0, 1)


INSPECT = """
import json, sys
from inspect_harbor._harbor.task import harbor
found = []
for one in harbor(path=sys.argv[1]).dataset:
    scripts = {key: str(one.metadata[key]) for key in ("test_path", "solve_path")}
    found.append([one.id, one.input if isinstance(one.input, str) else one.input[0].text, scripts])
print(json.dumps(found))
"""


def test_inspect_reads_the_harbor_tasks(make, write_tasks, export_tasks, tmp_path):
    read = make.read_back("inspect_harbor")
    export_tasks(write_tasks(*make.kinds[:3]), "--format", "harbor", "-o", tmp_path / "out")
    found = read(INSPECT, tmp_path / "out")
    assert [name for name, _, _ in found] == [f"sandmle/{name}" for name in sorted(os.listdir(tmp_path / "tasks"))]
    for _, text, about in found:
        assert "/app/submission.csv" in text
        assert os.access(about["test_path"], os.X_OK)
        assert os.access(about["solve_path"], os.X_OK)
