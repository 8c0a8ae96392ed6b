"""The successful answer of the token endpoint (RFC 6749 5.1), and its form at rest for the grace period."""

from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """`expires_at` is absolute, so that the same answer given later states the remaining life."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    """Empty: none was issued."""
    expires_at: int
    scopes: tuple[str, ...]

    def document(self, now: int) -> dict[str, str | int]:
        """Members of the JSON body; `scope` always, never null (RFC 6749 5.1)."""
        body: dict[str, str | int] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": max(self.expires_at - now, 0),
            "scope": " ".join(self.scopes),
        }
        if self.refresh_token:
            body["refresh_token"] = self.refresh_token
        return body

    def dump(self) -> bytes:
        return orjson.dumps([self.access_token, self.refresh_token, self.expires_at, self.scopes])

    @classmethod
    def load(cls, data: bytes) -> "TokenAnswer":
        access, refresh, expires_at, scopes = orjson.loads(data)
        return cls(access, refresh, expires_at, tuple(scopes))
