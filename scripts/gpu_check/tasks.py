"""Stage `tasks`: makes tasks with the offline roles and has the scripted demonstrator play them, in sandboxes."""

import os
import time
from collections import Counter
from pathlib import Path

from command import run
from plan import begin

from sandmle.core.engine.store import read_episodes
from sandmle.core.types.episode import Outcome

RNG_SEED = 5


def main() -> None:
    plan, findings, limit_s = begin()
    ends = time.monotonic() + limit_s
    amounts, workers = plan.amounts, max(1, (os.cpu_count() or 2) - 2)
    began = time.monotonic()
    anywhere = {"plugin.sandbox.process.allow_unsafe": "true"}
    words = ["synth", "-n", str(amounts.tasks), "--rng-seed", str(RNG_SEED), "-o", str(plan.tasks)]
    whole, _ = run(plan, words, {"synthesis.workers": workers, **anywhere}, ends)
    made = time.monotonic()
    findings.expect(whole, "the synthesis was stopped short")
    findings.facts(synthesis_s=made - began)
    words = ["run", "--tasks", str(plan.tasks), "-k", str(amounts.demonstrations), "-o", str(plan.demonstrations)]
    words += ["--model", "offline/demonstrator"]
    whole, _ = run(plan, words, {"run.concurrency": 2 * workers, **anywhere}, ends)
    played = time.monotonic()
    findings.expect(whole, "the demonstrations were stopped short")
    findings.facts(demonstrations_s=played - made)
    episodes = list(read_episodes(Path(plan.demonstrations)))
    levels = Counter(str(one.level) for one in episodes)
    failed = sum(one.outcome is Outcome.INFRASTRUCTURE for one in episodes)
    findings.facts(levels=levels, episodes=len(episodes), failed_by_infrastructure=failed)
    findings.row("sandbox", f"process, isolation {', '.join(sorted(levels))}")
    findings.row("tasks made here by the offline roles", f"{amounts.tasks} in {made - began:.1f} s ({workers} workers)")
    valid = sum(one.outcome is Outcome.SCORED for one in episodes)
    findings.row(
        "demonstrations", f"{len(episodes)} episodes in {played - made:.1f} s, {valid} with a valid submission"
    )
    findings.expect(not failed, f"{failed} of {len(episodes)} episodes were failed by the infrastructure")
    findings.finish()


if __name__ == "__main__":
    main()
