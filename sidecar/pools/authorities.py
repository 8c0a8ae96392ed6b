"""The certificate authorities that somebody says are to be trusted: their text, judged, and what it says of each.

Owns no trust: that is `upstream.trust`'s, whose word it takes on what can be used. Certificates are public, so all
of it may be shown.
"""

import re
import warnings
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from sidecar.upstream.trust import trust

_BEGIN, _SECRET = "-----BEGIN CERTIFICATE-----", "PRIVATE KEY-----"
_CERTIFICATE = re.compile(rf"{_BEGIN}[\sA-Za-z0-9+/=]*-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Authority:
    subject: str
    until: int
    """Unix seconds."""
    sha256: str
    """Of the certificate, as other programs print it without the colons."""


def certificates(text: str) -> str:
    """The certificates of a PEM file, and nothing else that stands in it. Raises ValueError, which repeats nothing."""
    if _SECRET in text:
        raise ValueError("holds a private key; give the certificates alone")
    found = _CERTIFICATE.findall(text)
    if not found:
        raise ValueError(f"holds no PEM certificate ({_BEGIN})")
    whole = len(found) == text.count(_BEGIN)
    try:
        for each in found:
            trust(each)
    except ValueError:
        whole = False
    if not whole:
        raise ValueError("holds a certificate that cannot be read")
    return "".join(f"{each}\n" for each in found).replace("\r\n", "\n")


def authorities(ca: str) -> tuple[Authority, ...]:
    """Of what `certificates` gave."""
    return tuple(_authority(each) for each in _CERTIFICATE.findall(ca))


def _authority(pem: str) -> Authority:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old authorities that OpenSSL takes all the same
        try:
            found = x509.load_pem_x509_certificate(pem.encode())
            subject, until = found.subject.rfc4514_string(), int(found.not_valid_after_utc.timestamp())
            return Authority(subject, until, found.fingerprint(SHA256()).hex())
        except ValueError:
            return Authority("a certificate of another form", 0, "")
