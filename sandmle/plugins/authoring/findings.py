"""What a check of a plugin package found: read from the process that ran it, shown to a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked."""

    subject: str
    """Such as `scaffold 'demo-agent'`."""
    problems: tuple[str, ...] = ()
    """What is wrong, in words; empty when nothing is."""
    remark: str = ""
    """What was left out of the check, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Everything that was checked of one package."""

    package: str
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        return not any(finding.problems for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "package": self.package,
            "passed": self.passed,
            "checked": [
                {"subject": one.subject, "problems": list(one.problems), "remark": one.remark} for one in self.findings
            ],
        }

    def as_text(self) -> str:
        """For a person: one line per thing that was checked, its problems below it."""
        lines = []
        for one in self.findings:
            lines.append(f"{'WRONG' if one.problems else '   ok'}  {one.subject}")
            lines += [f"       {line}" for problem in one.problems for line in problem.splitlines()]
            lines += [f"       {one.remark}"] if one.remark else []
        wrong = sum(bool(one.problems) for one in self.findings)
        lines.append(
            f"{self.package}: {wrong} of {len(self.findings)} are wrong"
            if wrong
            else f"{self.package}: all {len(self.findings)} keep their contracts"
        )
        return "\n".join(lines)
