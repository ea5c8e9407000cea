"""Seeds of a user's own files: what is measured, and that nothing else is in them."""

import random
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sandmle.core.conformance.seeds import check_seed_source
from sandmle.core.errors import PluginError
from sandmle.plugins.seeds.outside.config import FolderConfig
from sandmle.plugins.seeds.outside.own import OwnSeeds

SECRETS = ("zanzibar", "quicksilver", "hollyhock", "8675309", "marmalade", "nightingale", "saffron")


def secret_rows(count: int = 200) -> tuple[list[str], list[list[str]]]:
    """A table whose names and values are words and numbers that are found nowhere else."""
    rng = random.Random(0)
    rows = []
    for _ in range(count):
        number, word = rng.gauss(0, 1), rng.choice(["quicksilver", "hollyhock"])
        wages = 40 + 3 * number + (word == "hollyhock")
        badge = rng.choice(["8675309", "8675310"])
        rows.append([f"{number:.4f}", word, badge, f"{wages:.3f}", rng.choice(["marmalade", "saffron"])])
    return ["zanzibar", "kind", "badge", "wages", "verdict"], rows


def write_csv(folder: Path, name: str = "nightingale") -> Path:
    folder.mkdir(exist_ok=True)
    header, rows = secret_rows()
    path = folder / f"{name}.csv"
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    return path


def write_arff(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    header, rows = secret_rows()
    kinds = ["numeric", "{quicksilver,hollyhock}", "integer", "real", "{marmalade,saffron}"]
    lines = [f"@attribute {name} {kind}" for name, kind in zip(header, kinds, strict=True)]
    text = ["@relation nightingale", *lines, "@data", *(",".join(row) for row in rows)]
    (folder / "nightingale.arff").write_text("\n".join(text) + "\n")


def source(folder: Path, suffix: str = ".csv", **options: str) -> OwnSeeds:
    return OwnSeeds(config=FolderConfig.model_validate({"path": folder, **options}), suffix=suffix)


def test_a_table_is_measured_and_nothing_of_it_is_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "a")
    (tmp_path / "a" / "nightingale.md").write_text("Target: wages. The saffron is scored by mae.")
    [seed] = source(tmp_path / "a").seeds()
    assert (seed.task_type, seed.metric, seed.modality) == ("regression", "mae", "tabular")
    assert (seed.dna["rows"], seed.dna["columns"]) == (200, 4)
    assert float(seed.dna["strongest_dependence"]) > 0.9
    told = str(asdict(seed))
    assert not any(secret in told.lower() for secret in SECRETS)
    assert "wages" not in told


def test_the_suite_of_seed_sources_passes(tmp_path: Path) -> None:
    write_csv(tmp_path / "a")
    write_csv(tmp_path / "a", "second")
    write_arff(tmp_path / "b")
    check_seed_source(source(tmp_path / "a"))
    check_seed_source(source(tmp_path / "b", ".arff"))


def test_arff_gives_what_csv_gives(tmp_path: Path) -> None:
    write_csv(tmp_path / "a")
    write_arff(tmp_path / "b")
    options = {"target": "verdict", "metric": "accuracy"}
    [one], [other] = source(tmp_path / "a", **options).seeds(), source(tmp_path / "b", ".arff", **options).seeds()
    assert replace(one, seed_id="own") == replace(other, seed_id="own")


def test_what_is_predicted_is_said_by_the_configuration_the_description_or_the_file(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a")
    assert source(path).seeds()[0].task_type == "classification"
    (tmp_path / "a" / "description.md").write_text("You are to predict the `wages` of everyone.")
    assert source(path).seeds()[0].task_type == "classification"
    (tmp_path / "a" / "description.md").write_text("Predict `wages`.")
    assert source(path).seeds()[0].task_type == "regression"
    assert source(path, target="verdict").seeds()[0].task_type == "classification"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "wagse"}, "did you mean 'wages'"),
        ({"metric": "rmsee"}, "no metric 'rmsee'"),
        ({"metric": "rmse"}, "does not suit"),
    ],
)
def test_what_cannot_be_measured_is_said(tmp_path: Path, options: dict[str, str], said: str) -> None:
    write_csv(tmp_path / "a")
    with pytest.raises(PluginError, match=said):
        source(tmp_path / "a", **options).seeds()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"holds no \.csv file"):
        source(tmp_path).seeds()


def test_where_the_files_lie_is_not_part_of_what_a_corpus_is() -> None:
    assert FolderConfig.lasting({"path": "/home/me", "metric": "mae"}) == {"metric": "mae"}


def test_a_target_whose_name_holds_a_comma_is_found(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a")
    path.write_text(path.read_text().replace("wages", '"wages, paid"', 1))
    path.with_suffix(".md").write_text("Target: wages, paid\n")
    [seed] = source(tmp_path / "a").seeds()
    assert seed.task_type == "regression"


def test_columns_are_counted_as_they_stand_in_the_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "a")
    [seed] = source(tmp_path / "a", target="wages").seeds()
    counted = {name: seed.dna[name] for name in ("columns", "numeric_columns", "categorical_columns")}
    assert counted == {"columns": 4, "numeric_columns": 1, "categorical_columns": 3}
    assert seed.dna["median_cardinality"] == 2


def test_a_folder_that_is_called_like_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a" / "x.csv").mkdir(parents=True)
    with pytest.raises(PluginError, match=r"holds no \.csv file"):
        source(tmp_path / "a").seeds()
    with pytest.raises(PluginError, match="nowhere is no folder and no file"):
        source(tmp_path / "nowhere").seeds()


def test_a_table_in_two_forms_is_two_seeds(tmp_path: Path) -> None:
    write_csv(tmp_path / "a")
    write_arff(tmp_path / "a")
    both = [*source(tmp_path / "a").seeds(), *source(tmp_path / "a", ".arff").seeds()]
    assert len({seed.seed_id for seed in both}) == 2


def test_what_is_wrong_with_an_arff_file_is_said_of_that_file(tmp_path: Path) -> None:
    path = tmp_path / "few.arff"
    path.write_text("@relation few\n@attribute a numeric\n@attribute class {x,y}\n@data\n1,x\n2,y\n")
    with pytest.raises(PluginError, match=f"^{re.escape(str(path))}: fewer than two classes"):
        source(path, ".arff").seeds()
