"""Stage `canaries`: `sandmle doctor --training` on this device, with the policy that GRPO left."""

import json
import os
import subprocess
import sys

from plan import begin

PROGRAM = (sys.executable, "-m", "sandmle.cli", "doctor")


def main() -> None:
    plan, findings, limit_s = begin()
    settings = {"SANDMLE_PLUGIN__LLM__LOCAL__DEVICE": plan.device, "SANDMLE_PLUGIN__LLM__LOCAL__DTYPE": plan.dtype}
    policy = plan.policy()
    # A training's own directory also holds the episodes that it trained on.
    policy = policy.parent if policy.name == "last" else policy
    words = [*PROGRAM, "--training", "--policy", str(policy), "--json"]
    try:
        told = subprocess.run(
            words, env={**os.environ, **settings}, cwd=plan.work, stdout=subprocess.PIPE, timeout=limit_s - 3
        )
    except subprocess.TimeoutExpired:
        findings.problem(f"`sandmle doctor --training` did not end within {limit_s - 3:.0f} s")
        findings.finish()
    if not told.stdout.strip():
        findings.problem(f"`sandmle doctor --training` printed nothing and ended with {told.returncode}")
        findings.finish()
    document = json.loads(told.stdout)
    findings.facts(doctor=document, exit_status=told.returncode)
    checks = document if isinstance(document, list) else next(v for v in document.values() if isinstance(v, list))
    for check in checks:
        detail = check["detail"].replace(f"{plan.heavy}/", "")
        findings.row(f"canary `{check['name']}`", f"{check['verdict']}: {detail}")
    findings.expect(told.returncode == 0, f"`sandmle doctor --training` ended with {told.returncode}")
    findings.finish()


if __name__ == "__main__":
    main()
