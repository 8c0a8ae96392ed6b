"""The outcome of a probe: one value, and its JSON form, which stays as it is within a version."""

from dataclasses import dataclass
from typing import Any

from sidecar.probe.checks import Finding, findings
from sidecar.probe.exchange import Exchange
from sidecar.probe.remedy import Remedy, remedy
from sidecar.probe.seen import Seen
from sidecar.probe.verdict import TEXTS, Mode, exit_code, mode_of

VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    seen: Seen
    mode: Mode
    findings: tuple[Finding, ...]
    remedy: Remedy

    @classmethod
    def of(cls, seen: Seen) -> "Report":
        found = findings(seen)
        mode = mode_of(seen, found)
        return cls(seen, mode, found, remedy(seen, mode))

    @property
    def exit_code(self) -> int:
        return exit_code(self.mode, self.findings)

    @property
    def text(self) -> str:
        return TEXTS[self.mode]

    def as_json(self) -> dict[str, Any]:
        """No header and no body goes in: they may hold what a registration gave us."""
        resource, server = self.seen.resource.used, self.seen.server
        used = server.used if server else None
        return {
            "version": VERSION,
            "url": self.seen.url,
            "mode": self.mode,
            "summary": self.text,
            "exit_code": self.exit_code,
            "resource_metadata": resource.url if resource else None,
            "issuer": server.issuer if server else None,
            "server_metadata": used.url if used else None,
            "requests": [_request(answer) for answer in self.seen.log],
            "findings": [
                {"id": one.id, "level": one.level, "where": one.where, "text": one.text, "mend": one.mend}
                for one in self.findings
            ],
            "sidecar": {"helps": self.remedy.helps, "why": self.remedy.why, "config": self.remedy.config or None},
        }


def _request(answer: Exchange) -> dict[str, Any]:
    return {
        "purpose": answer.purpose.value,
        "method": answer.method,
        "url": answer.url,
        "status": answer.status or None,
        "content_type": answer.content_type or None,
        "bytes": answer.size,
        "milliseconds": round(answer.seconds * 1000),
        "redirect": answer.redirect or None,
        "failure": f"{answer.failure}: {answer.detail}" if answer.failure else None,
    }
