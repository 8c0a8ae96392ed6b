"""The kinds of value that a pool has, wherever it is declared, and what each refuses by itself."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.pools.urls import upstream_url


def _scope(value: str) -> str:
    if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", value):  # RFC 6749 3.3
        raise ValueError("a scope is printable ASCII without blanks, quotes and backslashes")
    return value


LARGEST_CA = 48 * 1024
"""Some thirty certificates, and room for them in a body of the admin API."""
UpstreamUrl = Annotated[str, AfterValidator(upstream_url)]
Scopes = Annotated[tuple[Annotated[str, AfterValidator(_scope)], ...], Field(max_length=100)]
TokenAuth = Literal["", "basic", "basic_raw", "post", "none"]
