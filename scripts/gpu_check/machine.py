"""Stage `machine`: what is there, and how fast it can be: bfloat16 products and copies."""

import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from statistics import median

import torch
from clock import seconds_of
from plan import Findings, Plan, begin

PACKAGES = ("torch", "transformers", "peft", "tokenizers", "numpy", "pandas", "scikit-learn", "langgraph", "litellm")
TOKENS = 16_384
"""Rows of the products at the model's own shapes: what one forward pass of the trainer takes at most."""
REPEATS = 20


def describe(plan: Plan, findings: Findings) -> None:
    """The machine in words."""
    packages = {name: _version(name) for name in PACKAGES}
    findings.facts(python=sys.version, platform=platform.platform(), packages=packages, torch_cuda=torch.version.cuda)
    if plan.device != "cuda":
        findings.row("card", f"none: {torch.get_num_threads()} CPU threads")
        return
    card = torch.cuda.get_device_properties(0)
    asked = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,power.limit,temperature.gpu"
    told = subprocess.run(
        ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    findings.facts(nvidia_smi=dict(zip(asked.split(","), told.stdout.strip().split(", "), strict=False)))
    words = f"{card.name}, {card.total_memory / 2**30:.0f} GiB, {card.multi_processor_count} multiprocessors"
    findings.row("card", f"{words}, torch {torch.__version__}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def product_rate(plan: Plan, m: int, n: int, k: int, dtype: torch.dtype) -> float:
    """Operations per second of an [m, k] x [k, n] product, each on operands that no cache holds any more.

    Random numbers, since zeros take less power; the median of many runs.
    """
    sets = max(1, min(8, 2**28 // (m * k + k * n)))
    pairs = [
        (torch.randn(m, k, device=plan.device, dtype=dtype), torch.randn(k, n, device=plan.device, dtype=dtype))
        for _ in range(sets)
    ]
    runs = [_one(a, b) for a, b in pairs] * (REPEATS // sets + 1)
    return 2 * m * n * k / median(seconds_of(runs, plan.device))


def _one(a: torch.Tensor, b: torch.Tensor) -> Callable[[], object]:
    return lambda: a @ b


def copy_rate(plan: Plan) -> float:
    """Bytes read and written per second by a copy within the card's memory."""
    count = plan.amounts.copy_mib * 2**20
    source = torch.empty(count, dtype=torch.uint8, device=plan.device).random_(0, 255)
    target = torch.empty_like(source)
    return 2 * count / median(seconds_of([lambda: target.copy_(source)] * REPEATS, plan.device))


def main() -> None:
    plan, findings, _ = begin()
    describe(plan, findings)
    copied = copy_rate(plan)
    findings.facts(copy_bytes_per_s=copied)
    findings.row("limit: copy in the card's memory, read + written", f"{copied / 1e9:,.0f} GB/s")
    wide = plan.amounts.matmul
    square = product_rate(plan, wide, wide, wide, torch.bfloat16)
    findings.facts(matmul_flop_per_s=square)
    findings.row(f"limit: bfloat16 product, {wide} x {wide} x {wide}", f"{square / 1e12:,.1f} TFLOP/s")
    shape = plan.shape
    tokens = TOKENS if plan.device == "cuda" else 256
    wides = {
        "attention": (shape.heads + 2 * shape.key_value_heads) * shape.head_width,
        "feed-forward": 2 * shape.feed_forward,
        "head": shape.rows,
    }
    found = {}
    for name, out in wides.items():
        rows = tokens if name != "head" else min(tokens, 2048)
        found[name] = product_rate(plan, rows, out, shape.hidden, torch.bfloat16)
    findings.facts(matmul_at_shapes=found)
    told = ", ".join(f"{name} {rate / 1e12:,.1f}" for name, rate in found.items())
    findings.row(f"bfloat16 products at the model's shapes ({tokens:,} tokens)", f"{told} TFLOP/s")
    single = product_rate(plan, wide // 2, wide // 2, wide // 2, torch.float32)
    findings.facts(float32_flop_per_s=single)
    findings.row("float32 product (no TF32)", f"{single / 1e12:,.1f} TFLOP/s")
    findings.finish()


if __name__ == "__main__":
    main()
