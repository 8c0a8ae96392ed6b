"""What happened, once: a frozen record per thing. Sinks (`telemetry`) make an audit line and a metric of it.

Fields are ids and outcomes, never tokens, codes or secrets. `outcome` and `reason` come from fixed sets, so that they
may label a metric; free text is called `detail` and reaches the log only.
"""

from sidecar.events.base import Event, Recorder, reference, sign_in
from sidecar.events.clients import (
    ClientDeleted,
    ClientRegistered,
    ClientUpdated,
    RegistrationRefused,
)
from sidecar.events.grants import (
    AccessTokenRevoked,
    CallDecided,
    EndReason,
    GrantEnded,
    OriginRefused,
    RevocationRefused,
    TokenIssued,
    TokenRefused,
)
from sidecar.events.operation import (
    PushChannel,
    RequestServed,
    StoreFault,
    UnexpectedError,
    UpstreamCalled,
)
from sidecar.events.sign_ins import (
    AuthorizationRefused,
    ConsentAsked,
    ConsentDenied,
    ConsentGiven,
    SignedIn,
)

__all__ = [
    "AccessTokenRevoked",
    "AuthorizationRefused",
    "CallDecided",
    "ClientDeleted",
    "ClientRegistered",
    "ClientUpdated",
    "ConsentAsked",
    "ConsentDenied",
    "ConsentGiven",
    "EndReason",
    "Event",
    "GrantEnded",
    "OriginRefused",
    "PushChannel",
    "Recorder",
    "RegistrationRefused",
    "RequestServed",
    "RevocationRefused",
    "SignedIn",
    "StoreFault",
    "TokenIssued",
    "TokenRefused",
    "UnexpectedError",
    "UpstreamCalled",
    "reference",
    "sign_in",
]
