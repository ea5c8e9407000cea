#!/usr/bin/env bash
# Trains a policy of 0.1 to 1 B parameters on one GPU, by SFT and GRPO with LoRA on real tasks in real sandboxes, within
# minutes and without a network, and measures it against the card. Never part of CI. How to: docs/gpu-check.md.
#
#   scripts/gpu_check.sh [--minutes 8] [--size 0.1|0.6|1.0] [--out DIR]     on a machine with a GPU
#   scripts/gpu_check.sh --cpu-small                                        the same stages at toy size, on a CPU
#
# The Python that runs it is GPU_CHECK_PYTHON; else .venv's; else python3 with the wheels of .whl on top, where what
# python3 has already (torch, transformers, numpy, ...) stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$(date +%s.%N)
work=$(mktemp -d "${TMPDIR:-/tmp}/sandmle-gpu-XXXXXX")
# Sandboxed sessions have a user id of their own and read the interpreter below it.
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'kill "${child:-}" 2>/dev/null; wait; exit 143' TERM

install() {
  "$1" -m pip install -q --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir "${@:2}" .whl/*.whl >&2
}

# A virtual environment over the given Python. Graders and sandboxes start its interpreter without PYTHONPATH, so that a
# .pth file has to name the packages of the Python below; they stand behind the carried ones.
carried_python() {
  local base=$1 site
  if "$base" -m venv --without-pip "$work/env" &&
    site=$("$work/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') &&
    "$base" -c 'import site, sys, sysconfig
paths = [*(sysconfig.get_path(one) for one in ("purelib", "platlib")), *(p for p in sys.path if p.endswith("-packages"))]
print(*dict.fromkeys(paths), sep="\n")' >"$site/base.pth" &&
    install "$base" --target "$site" && "$work/env/bin/python" -c 'import importlib.util as i, pydantic, sys
sys.exit(any(i.find_spec(one) is None for one in ("torch", "transformers", "peft", "litellm", "langgraph")))'; then
    # Beside the first stages: whatever imports it later starts seconds sooner.
    "$work/env/bin/python" -m compileall -q -j 4 "$site" >/dev/null 2>&1 &
    echo "$work/env/bin/python"
  else
    # On a machine that is thrown away afterwards its own Python will do.
    echo "no virtual environment over $base: installing into it" >&2
    install "$base" && echo "$base"
  fi
}

if [ -n "${GPU_CHECK_PYTHON:-}" ]; then
  python=$GPU_CHECK_PYTHON
elif [ -x .venv/bin/python ]; then
  python=$PWD/.venv/bin/python
elif compgen -G '.whl/*.whl' >/dev/null; then
  python=$(carried_python "$(command -v python3)")
else
  echo "error: no Python to run with: neither .venv (make train-env) nor wheels in .whl; see docs/gpu-check.md" >&2
  exit 2
fi
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
"$python" scripts/gpu_check/driver.py --started "$started" --work "$work" "$@" &
child=$!
wait "$child"
