"""The one door to litellm: it is imported here, after being told to stay off the network, and nowhere else."""

import os
import warnings

# litellm reads this when it is imported; without it the import fetches a price list from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from litellm import exceptions
from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients
from litellm.llms.custom_llm import CustomLLM

__all__ = ["CustomLLM", "close_clients", "exceptions", "litellm", "quiet_litellm"]


def quiet_litellm() -> None:
    """Turn off what litellm does unasked: telemetry, tokenizer downloads, banners on stdout, a groundless warning."""
    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True
    litellm.suppress_debug_info = True
    # It has a call made in a thread and awaits it afterwards. When a deadline or a budget ends the reply in between,
    # nobody awaits what the thread has made, which sent nothing and holds nothing, and Python says so on stderr.
    warnings.filterwarnings("ignore", r"coroutine '[\w.]*completion\w*' was never awaited", RuntimeWarning)
    # The first reply builds pydantic schemas whose warnings are litellm's business and nobody else's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litellm.ModelResponse()


async def close_clients() -> None:
    """Close the connections that litellm keeps open and forget them, so that later calls open new ones."""
    await close_litellm_async_clients()  # type: ignore[no-untyped-call]
    litellm.in_memory_llm_clients_cache.flush_cache()  # type: ignore[no-untyped-call]
