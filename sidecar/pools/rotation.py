"""What becomes of a pool's former credentials when it gets others: for how long they go on, and which. No I/O.

A grant is renewed with the client that it was signed in with, so a former client goes on until the last such grant can
have ended. A former secret goes on for the while in which the IdP may not take the new one everywhere yet.
"""

from dataclasses import replace

from sidecar.records import Pool, UpstreamCredentials

_MOST = 8
"""Of them; whoever rotates more often than grants end knows the oldest to be over."""


def rotated(before: Pool, after: Pool, *, now: int, overlap: int, grant_life: int) -> Pool:
    """`after` with what `before` had, if that is not the same. `overlap`: seconds for a secret."""
    kept = [each for each in before.former if not each.until or each.until > now]
    if before.client_id and after.client_id != before.client_id:
        kept.insert(0, UpstreamCredentials(before.client_id, before.client_secret, now + grant_life))
    elif after.client_secret != before.client_secret and before.client_secret and overlap:
        kept.insert(0, UpstreamCredentials(before.client_id, before.client_secret, now + overlap))
    present = (after.client_id, after.client_secret)
    kept = [each for each in kept if (each.client_id, each.client_secret) != present]
    return replace(after, former=tuple(kept[:_MOST]))
