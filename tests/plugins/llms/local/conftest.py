"""A tiny policy, made once by the provider itself. Without the training extra there is nothing to test here."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.types.message import ReplyOptions

collect_ignore_glob = [] if find_spec("torch") and find_spec("peft") else ["test_*.py"]

TEXTS = [
    "<think>\nI look at the files first.\n</think>\n<tool_call>\npython\n<code>\nimport pandas as pd\n",
    "train = pd.read_csv('data/train.csv')\nprint(train.shape)\n</code>\n</tool_call>",
    "<tool_response>\nStatus: ok\nrows: 120, columns: 7, target: price\n</tool_response>",
] * 4
SHAPE = PolicyShape(
    layers=2, hidden=32, heads=4, key_value_heads=2, feed_forward=64, context_tokens=256, vocabulary=420
)


@pytest.fixture(scope="session")
def provider():
    from sandmle.plugins.llms.local.config import LocalConfig
    from sandmle.plugins.llms.local.model import LocalProvider

    return LocalProvider(LocalConfig())


@pytest.fixture(scope="session")
def policy_dir(provider, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "tiny"
    provider.create_policy(TEXTS, SHAPE, 3, path)
    return path


@pytest.fixture
def make_policy(provider, tmp_path: Path) -> Callable[[int], Path]:
    def make(rng_seed: int) -> Path:
        provider.create_policy(TEXTS, SHAPE, rng_seed, tmp_path / str(rng_seed))
        return tmp_path / str(rng_seed)

    return make


@pytest.fixture
def model(provider, policy_dir: Path):
    return provider.open_model(f"local/{policy_dir}")


@pytest.fixture
def options() -> Callable[..., ReplyOptions]:
    def make(sample_index: int = 0, **changes) -> ReplyOptions:
        return ReplyOptions(**{"max_tokens": 24, "sample_index": sample_index, **changes})

    return make
