"""The committed recording is what MLE-Dojo's agent decides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHECKOUT = os.environ.get("MLE_DOJO_CHECKOUT")


@pytest.mark.peers
@pytest.mark.skipif(not CHECKOUT, reason="MLE_DOJO_CHECKOUT does not name a checkout of MLE-Dojo")
def test_the_peers_own_agent_still_decides_as_recorded():
    script = ROOT / "scripts" / "record_mle_dojo.py"
    done = subprocess.run([sys.executable, script, CHECKOUT], capture_output=True, text=True, check=True, timeout=120)
    recorded = json.loads((Path(__file__).parent / "recorded" / "decisions.json").read_text("utf-8"))
    assert json.loads(done.stdout) == recorded
