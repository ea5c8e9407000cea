"""What a run is given and what must not change about it."""

import json
from collections import Counter

import pytest

from sandmle.core.engine.store import agree
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError, RunError
from sandmle.plugins.trainers.openrlhf.commands import read_section
from sandmle.plugins.trainers.openrlhf.files import write_files
from sandmle.plugins.trainers.openrlhf.planning import plan_grpo
from sandmle.plugins.trainers.openrlhf.preflight import check_sandbox_hosts


def planned(out, tasks=None, **more):
    given = {"plugin.trainer.openrlhf.policy": "Qwen/Qwen3-8B", **more}
    toolkit = open_toolkit(overrides=given)
    return plan_grpo(toolkit, read_section(toolkit), tasks=tasks, out=out)


def test_the_prompts_give_every_step_whole_tasks_and_each_task_as_often_as_the_others(tasks, task_folders, tmp_path):
    launch = planned(tmp_path / "out", tasks, **{"plugin.trainer.openrlhf.grpo.steps": 5})
    rows = [json.loads(line) for line in launch.files[launch.paths.prompts].splitlines()]
    assert len(rows) == 5 * 16 == launch.rows
    assert launch.tasks == len(task_folders) == 6
    counts = Counter(row["label"] for row in rows)
    assert set(counts) == {path.name for path in task_folders}
    assert max(counts.values()) - min(counts.values()) <= 1
    descriptions = {path.name: (path / "description.md").read_text("utf-8") for path in task_folders}
    assert all(row["prompt"] == descriptions[row["label"]] for row in rows)
    again = planned(tmp_path / "out", tasks, **{"plugin.trainer.openrlhf.grpo.steps": 5})
    assert again.files == launch.files
    other = planned(tmp_path / "out", tasks, **{"plugin.trainer.openrlhf.grpo.steps": 5, "run.rng_seed": 3})
    assert other.files[other.paths.prompts] != launch.files[launch.paths.prompts]


def test_nothing_private_is_written(tasks, task_folders, tmp_path):
    launch = planned(tmp_path / "out", tasks)
    text = "".join(launch.files.values())
    for path in task_folders:
        answer = (path / "private" / "answers.csv").read_text("utf-8").splitlines()[1]
        assert answer not in text


def test_the_configuration_that_workers_open_says_what_was_resolved(tasks, tmp_path):
    more = {
        "run.max_turns": 9,
        "plugin.trainer.openrlhf.grpo.group_size": 8,
        "plugin.scaffold.react.prompt": "brief",
        "plugin.trainer.openrlhf.gpus": 1,
    }
    launch = planned(tmp_path / "out", tasks, **more)
    write_files(launch.files)
    opened = open_toolkit(file=launch.paths.config)
    assert opened.settings.run.max_turns == 9
    assert opened.settings.options("scaffold", "react") == {"prompt": "brief"}
    section = read_section(opened)
    assert section == launch.config
    assert section.tasks == tasks.resolve()


def test_the_agent_file_names_our_executor_and_every_path_is_absolute(tasks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launch = planned(tmp_path.__class__("out"), tasks)
    assert "import AgentExecutor" in launch.files[launch.paths.agent]
    paths = [word for word in launch.flags if "/" in word and word != "Qwen/Qwen3-8B"]
    assert paths
    assert all(word.startswith(str(tmp_path)) for word in paths)
    variable = json.loads(launch.environment["RAY_JOB_CONFIG_JSON_ENV_VAR"])["runtime_env"]["env_vars"]
    assert variable["SANDMLE_TRAINING"] == launch.environment["SANDMLE_TRAINING"] == str(launch.paths.config)
    assert json.loads(launch.files[launch.paths.runtime])["env_vars"] == variable


def test_a_changed_configuration_is_refused_with_the_difference(tasks, tmp_path):
    agree(tmp_path, planned(tmp_path / "out", tasks).record)
    agree(tmp_path, planned(tmp_path / "out", tasks, **{"run.concurrency": 3}).record)
    for key, value in (("ray_address", "auto"), ("sandbox_resource", "sandboxes")):
        agree(tmp_path, planned(tmp_path / "out", tasks, **{f"plugin.trainer.openrlhf.{key}": value}).record)
    for key, value, words in (
        ("plugin.trainer.openrlhf.grpo.clip_high", 0.3, r"clip_high: was 0\.28, is 0\.3"),
        ("plugin.trainer.openrlhf.gpus", 4, "gpus: was 8, is 4"),
        ("run.max_turns", 3, "max_turns: was 15, is 3"),
        ("run.reward", "sparse", "reward"),
        ("plugin.scaffold.react.prompt", "brief", "prompt"),
    ):
        with pytest.raises(RunError, match=words):
            agree(tmp_path, planned(tmp_path / "out", tasks, **{key: value}).record)


def test_validation_tasks_have_a_file_and_flags_of_their_own(tasks, task_folders, tmp_path):
    half = tmp_path / "half.txt"
    half.write_text("".join(f"{path}\n" for path in task_folders[:3]))
    rest = tmp_path / "rest.txt"
    rest.write_text("".join(f"{path}\n" for path in task_folders[3:]))
    launch = planned(tmp_path / "out", half, **{"plugin.trainer.openrlhf.validation": str(rest)})
    assert len(launch.files[launch.paths.validation].splitlines()) == 3
    assert "--eval.dataset" in launch.flags
    with pytest.raises(ConfigError, match="validation tasks are training tasks"):
        planned(tmp_path / "out", tasks, **{"plugin.trainer.openrlhf.validation": str(rest)})


@pytest.mark.parametrize("scaffold", ["aide", "aira"])
def test_a_branching_scaffold_is_refused_by_name(scaffold, tmp_path, monkeypatch):
    monkeypatch.setattr("sandmle.plugins.trainers.openrlhf.segments.SEGMENTS_PROVEN", False)
    with pytest.raises(ConfigError, match=f"{scaffold!r} branches"):
        planned(tmp_path / "out", **{"run.scaffold": scaffold})


def test_native_function_calls_are_refused_before_anything_starts_and_calls_in_text_are_not(tmp_path):
    with pytest.raises(ConfigError, match=r'openai_tools.* set plugin\.scaffold\.openai_tools\.calls = "text"'):
        planned(tmp_path / "out", **{"run.scaffold": "openai_tools"})
    planned(tmp_path / "out", **{"run.scaffold": "openai_tools", "plugin.scaffold.openai_tools.calls": "text"})


def test_a_policy_with_an_adapter_is_refused_and_an_output_directory_is_the_checkpoint_in_it(tmp_path):
    merged, adapted = tmp_path / "merged" / "policy", tmp_path / "run" / "last"
    for folder in (merged, adapted / "adapter"):
        folder.mkdir(parents=True)
    (merged / "config.json").write_text("{}")
    (adapted / "config.json").write_text("{}")
    (adapted / "adapter" / "adapter_config.json").write_text("{}")
    launch = planned(tmp_path / "out", **{"plugin.trainer.openrlhf.policy": str(tmp_path / "merged")})
    assert launch.flags[launch.flags.index("--actor.model_name_or_path") + 1] == str(merged)
    with pytest.raises(ConfigError, match="merge it by `sandmle train export"):
        planned(tmp_path / "out", **{"plugin.trainer.openrlhf.policy": str(tmp_path / "run")})


def test_hosts_for_sandboxes_need_a_cluster_that_has_them(tmp_path):
    launch = planned(tmp_path / "out", **{"plugin.trainer.openrlhf.sandbox_resource": "sandboxes"})
    with pytest.raises(ConfigError, match=r"started here has no such resource: join the hosts .*\{\"sandboxes\": 1\}"):
        check_sandbox_hosts(launch.config)
    check_sandbox_hosts(planned(tmp_path / "out").config)
