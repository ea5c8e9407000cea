"""Conversations as one parquet table, one row a conversation. Needs pyarrow, an extra."""

import importlib
import io
from collections.abc import Sequence
from typing import Any

from sandmle.core.errors import PluginError
from sandmle.plugins.exchange.trajectories.chat import sft_record
from sandmle.plugins.exchange.trajectories.conversations import Conversation


def require_pyarrow() -> Any:
    """The package, once it is needed.

    Raises:
        PluginError: it is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as problem:
        raise PluginError("parquet needs the package pyarrow: pip install 'sandmle[parquet]'") from problem


def parquet_table(conversations: Sequence[Conversation]) -> bytes:
    """The table's file. Columns: those of the SFT lines, of the same types whatever the rows hold.

    Raises:
        PluginError: pyarrow is not installed.
    """
    pa = require_pyarrow()
    rows = [sft_record(one) for one in conversations]
    table = pa.Table.from_pylist(rows, schema=_schema(pa, exact=conversations[0].exact is not None))
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink)
    return sink.getvalue()


def _schema(pa: Any, *, exact: bool) -> Any:
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    function = pa.struct([("name", text), ("arguments", text)])
    call = pa.struct([("id", text), ("type", text), ("function", function)])
    message = pa.struct(
        [
            ("role", text),
            ("content", text),
            ("reasoning_content", text),
            ("tool_calls", pa.list_(call)),
            ("tool_call_id", text),
            ("weight", pa.int8()),
        ]
    )
    words = ("run", "episode_id", "task_id", "model", "scaffold", "feedback", "outcome", "stop_reason", "medal")
    columns = [("messages", pa.list_(message)), *((name, text) for name in (*words, "reward_preset"))]
    columns += [(name, whole) for name in ("slot", "segment", "policy_version")]
    columns += [(name, real) for name in ("score", "human_rank", "reward")]
    if exact:
        columns += [
            ("observation_tokens", pa.list_(pa.int32())),
            ("action_ranges", pa.list_(pa.list_(pa.int32()))),
            ("rollout_log_probs", pa.list_(real)),
            ("loss_mask", pa.list_(pa.int8())),
            ("truncated", pa.bool_()),
        ]
    return pa.schema(columns)
