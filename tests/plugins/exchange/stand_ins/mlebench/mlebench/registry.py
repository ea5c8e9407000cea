"""A registry of competition folders, each with a `config.yaml`."""

from pathlib import Path
from types import SimpleNamespace

from mlebench.grade_helpers import Grader
from mlebench.utils import import_fn, load_yaml


class Competition(SimpleNamespace):
    @staticmethod
    def from_dict(data):
        assert all(data[name] for name in ("id", "name", "description", "competition_type"))
        return Competition(**{**data, "grader": Grader(**data["grader"])})


class Registry:
    def __init__(self, data_dir=Path()):
        self._data_dir = data_dir.resolve()

    def get_data_dir(self):
        return self._data_dir

    def set_data_dir(self, new_data_dir):
        return Registry(new_data_dir)

    def get_competitions_dir(self):
        return Path(__file__).parent / "competitions"

    def list_competition_ids(self):
        return [path.parent.stem for path in sorted(self.get_competitions_dir().rglob("config.yaml"))]

    def get_competition(self, competition_id):
        here = self.get_competitions_dir() / competition_id
        config, data = load_yaml(here / "config.yaml"), self._data_dir
        home = data / competition_id
        return Competition.from_dict(
            {
                **config,
                "description": (Path(__file__).parent.parent / config["description"]).read_text(),
                "prepare_fn": import_fn(config["preparer"]),
                **{name: data / path for name, path in config["dataset"].items()},
                "raw_dir": home / "raw",
                "public_dir": home / "prepared" / "public",
                "private_dir": home / "prepared" / "private",
                "checksums": here / "checksums.yaml",
                "leaderboard": here / "leaderboard.csv",
            }
        )


registry = Registry()
