"""`dcr-sidecar doctor`: what is wrong with this deployment, found from beside it, and what to do about each thing.

Reads only. The one thing it sends that is no plain question is a token request with a code that nobody was given, which
tells whether the IdP takes our client id and secret. Owns no rule of the sidecar: what is right is asked of `upstream`,
`envoy_config` and `store`; what is said of it stands here.

    kinds        every finding that there can be: its group, its level, its fix
    finding      one of them, about one thing
    deployment   what is examined, as plain values
    checks       which checks there are, and running them all at once in bounded time
    look_at_*    asking; with `web`, all the I/O there is
    permissions  what the store's user must be allowed
    seen         what was answered, as values; `dump` is the form in which Envoy answers
    keys, store, pools, idp, envoy, differences, listeners   judges: what was seen in, findings out
    report, text what comes of it, for machines and for people
"""

from sidecar.doctor.checks import CHECKS, examine
from sidecar.doctor.deployment import Deployment, KeyFact, Options, StoreAddress
from sidecar.doctor.finding import Finding, found
from sidecar.doctor.kinds import GROUPS, KINDS, Group
from sidecar.doctor.report import Report
from sidecar.doctor.text import print_report

__all__ = [
    "CHECKS",
    "GROUPS",
    "KINDS",
    "Deployment",
    "Finding",
    "Group",
    "KeyFact",
    "Options",
    "Report",
    "StoreAddress",
    "examine",
    "found",
    "print_report",
]
