"""What happened, once: a frozen record per thing. Sinks (`telemetry`) make an audit line and a metric of it.

Fields are ids and outcomes, never tokens, codes or secrets. `outcome` and `reason` come from fixed sets, so that they
may label a metric; free text is called `detail` and reaches the log only.
"""

from sidecar.events.base import Event, Recorder, reference, sign_in
from sidecar.events.clients import (
    ClientDeleted,
    ClientRegistered,
    ClientUnreadable,
    ClientUpdated,
    InitialAccessTokenCreated,
    InitialAccessTokenRevoked,
    RegistrationRefused,
)
from sidecar.events.grants import (
    AccessTokenRevoked,
    CallDecided,
    CredentialPassed,
    EndReason,
    GrantEnded,
    OriginRefused,
    RevocationRefused,
    TokenIssued,
    TokenRefused,
)
from sidecar.events.operation import (
    FormerCredentials,
    PoolNotServed,
    PoolsCounted,
    PushChannel,
    RequestServed,
    StoreFault,
    UnexpectedError,
    UpstreamCalled,
)
from sidecar.events.operators import (
    ClientReadmitted,
    OperatorRefused,
    PoolCreated,
    PoolDeleted,
    PoolUpdated,
    UserOffboarded,
    UserReadmitted,
)
from sidecar.events.sign_ins import (
    AuthorizationRefused,
    ConsentAsked,
    ConsentDenied,
    ConsentGiven,
    SignedIn,
)
from sidecar.events.upstream_registrations import (
    UpstreamRegistered,
    UpstreamRegistrationDeleted,
    UpstreamRegistrationFailed,
    UpstreamRegistrationLost,
)

__all__ = [
    "AccessTokenRevoked",
    "AuthorizationRefused",
    "CallDecided",
    "ClientDeleted",
    "ClientReadmitted",
    "ClientRegistered",
    "ClientUnreadable",
    "ClientUpdated",
    "ConsentAsked",
    "ConsentDenied",
    "ConsentGiven",
    "CredentialPassed",
    "EndReason",
    "Event",
    "FormerCredentials",
    "GrantEnded",
    "InitialAccessTokenCreated",
    "InitialAccessTokenRevoked",
    "OperatorRefused",
    "OriginRefused",
    "PoolCreated",
    "PoolDeleted",
    "PoolNotServed",
    "PoolUpdated",
    "PoolsCounted",
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
    "UpstreamRegistered",
    "UpstreamRegistrationDeleted",
    "UpstreamRegistrationFailed",
    "UpstreamRegistrationLost",
    "UserOffboarded",
    "UserReadmitted",
    "reference",
    "sign_in",
]
