"""Weights are told apart by their numbers and names, whatever they are stored in."""

import pytest

from sandmle.core.engine.fingerprints import fingerprint, read_fingerprint, refuse_foreign, write_fingerprint
from sandmle.core.errors import ConfigError

torch = pytest.importorskip("torch")

ONE, OTHER = torch.arange(6.0).reshape(2, 3), torch.ones(4)
WEIGHTS = {"a": ONE, "b": OTHER}


def test_order_and_storage_are_of_no_matter():
    turned = {"b": OTHER.clone(), "a": ONE.t().contiguous().t()}
    assert fingerprint(turned) == fingerprint(WEIGHTS)
    assert fingerprint({name: one.bfloat16() for name, one in WEIGHTS.items()}) == fingerprint(WEIGHTS)
    # A tied head is the embedding again.
    assert fingerprint({**WEIGHTS, "head": ONE}) == fingerprint(WEIGHTS)


def test_any_other_number_name_or_shape_is_another_fingerprint():
    changed = ONE.clone()
    changed[1, 2] += 1e-6 * 5
    others = [
        {"a": changed, "b": OTHER},
        {"c": ONE, "b": OTHER},
        {"a": ONE.reshape(3, 2), "b": OTHER},
        {"a": ONE},
        {"a": ONE, "b": OTHER, "c": OTHER.clone()},
    ]
    assert fingerprint(WEIGHTS) not in {fingerprint(one) for one in others}


def test_an_adapter_is_refused_on_other_weights_and_taken_where_nothing_is_known(tmp_path):
    refuse_foreign(tmp_path, WEIGHTS, "anything")
    write_fingerprint(tmp_path, fingerprint(WEIGHTS))
    assert read_fingerprint(tmp_path) == fingerprint(WEIGHTS)
    refuse_foreign(tmp_path, WEIGHTS, "the right ones")
    with pytest.raises(ConfigError, match="other weights than those of the wrong ones"):
        refuse_foreign(tmp_path, {"a": ONE, "b": OTHER + 1}, "the wrong ones")
