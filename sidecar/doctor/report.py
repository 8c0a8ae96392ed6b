"""All findings as one value: the exit code, and the JSON form, which stays as it is within a version."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.doctor.finding import Finding
from sidecar.doctor.kinds import LEVELS

VERSION = 1
_BROKEN = "config-broken"


@dataclass(frozen=True, slots=True)
class Report:
    config: str
    """The file's name; empty when there is none."""
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, config: str, findings: Iterable[Finding]) -> "Report":
        """Each finding once: two checks may meet the same fault."""
        return cls(config, tuple(dict.fromkeys(findings)))

    @property
    def exit_code(self) -> int:
        """0: nothing is an error. 1: something is. 2: the configuration does not load."""
        if any(one.id == _BROKEN for one in self.findings):
            return 2
        return 1 if self.counts["error"] else 0

    @property
    def counts(self) -> dict[str, int]:
        return {level: sum(one.level == level for one in self.findings) for level in LEVELS}

    def as_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "config": self.config or None,
            "exit_code": self.exit_code,
            "counts": self.counts,
            "findings": [
                {
                    "group": one.group,
                    "id": one.id,
                    "level": one.level,
                    "where": one.where or None,
                    "text": one.text,
                    "fix": one.fix or None,
                }
                for one in self.findings
            ],
        }
