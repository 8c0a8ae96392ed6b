"""Every finding that there can be, by id: its group, its level, its fix. Ids stay as they are within a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Level = Literal["error", "warning", "note", "ok"]
Group = Literal["config", "keys", "store", "idp", "envoy", "listeners", "egress", "doctor"]

LEVELS: tuple[Level, ...] = ("error", "warning", "note", "ok")
GROUPS: tuple[Group, ...] = ("config", "keys", "store", "idp", "envoy", "listeners", "egress")
"""Those that `--only` names. `doctor` is what went wrong with the examination itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    group: Group
    level: Level
    fix: str
    stored_fix: str = ""
    """For a pool that was made by command, where that is another."""


_TABLE: dict[Group, dict[str, tuple[Level, str] | tuple[Level, str, str]]] = {
    "config": {
        "config-broken": ("error", "Change that key; `dcr-sidecar config schema` says what it may hold."),
        "config-warning": ("warning", "Change that key, unless it is meant so."),
    },
    "keys": {
        "keys-exposed": ("warning", "chmod 600 the file (`keys.file`); add and activate a new key if others read it."),
        "keys-pending": (
            "warning",
            "`dcr-sidecar keys activate` it once every replica was restarted, or `keys retire` it.",
        ),
        "keys-open": ("warning", "`dcr-sidecar keys retire` those that no client needs any more."),
        "keys-old": ("note", "`dcr-sidecar keys add`, restart the replicas, then `dcr-sidecar keys activate`."),
    },
    "store": {
        "store-down": ("error", "Start it, or mend `store.url`, its password and the network between."),
        "store-unseen": ("note", "Give `embedded:` a shorter path if it is to be examined."),
        "store-slow": ("warning", "Move it nearer or give it more CPU; only then raise `store.timeout_ms`."),
        "store-old": ("error", "Run Redis 6.2 or later, or Valkey."),
        "store-withheld": ("note", "Grant `+info +config|get +cluster|info` to see them here; serving needs none."),
        "store-forgets": ("warning", "Set `appendonly yes` in the store."),
        "store-persistence-unknown": ("note", "See in the provider's console that an append-only file is kept."),
        "store-writes-fail": ("error", "See the store's own log: its disk is full or it may not write there."),
        "store-evicts": ("error", "Set `maxmemory-policy noeviction` in the store."),
        "store-full": ("warning", "Raise the store's `maxmemory`, or give it to dcr-sidecar alone."),
        "store-replica": ("error", "Point `store.url` at the primary, or use redis+sentinel:// or redis+cluster://."),
        "store-replicas-few": ("error", "Bring the replicas back, or lower `store.wait_replicas`."),
        "store-replica-lost": ("error", "Bring the replica's link to its primary back."),
        "store-is-cluster": ("error", "Begin `store.url` with redis+cluster:// or rediss+cluster://."),
        "store-cluster-broken": ("error", "Bring the missing nodes back: `CLUSTER INFO` and `CLUSTER NODES` tell."),
        "store-denies": ("error", "Give the user this rule by `ACL SETUSER`, or in the store's ACL file."),
        "store-permissions-unknown": ("note", "With Redis 7 or Valkey it could be seen."),
        "store-clock": ("warning", "Let NTP set the clock on both machines."),
    },
    "idp": {
        "pool-unread": ("note", "Mend the store first: its own findings say how."),
        "pool-absent": ("error", "`dcr-sidecar pool create` it, or correct the server's `pool` and restart."),
        "pool-unreadable": (
            "error",
            "Bring the key back that sealed it (`keys.file`), or update this replica if it is older than the others.",
        ),
        "pool-id-twice": ("error", "Give the pool of the configuration another `id`."),
        "pool-open": ("error", "Give each of its servers an `allow` in the configuration."),
        "pool-unused": ("note", "Name it as the `pool` of a server, or `dcr-sidecar pool delete` it."),
        "idp-settings": (
            "error",
            "Change the pool's settings as it says.",
            "Change it as it says: `dcr-sidecar pool update`.",
        ),
        "idp-unreachable": (
            "error",
            "Mend the network, DNS or `proxy` of the pool; the sidecar needs to get there.",
            "Mend the network, DNS or the pool's proxy (`dcr-sidecar pool update --proxy`).",
        ),
        "idp-untrusted": (
            "error",
            "Name the CA that signed its certificate in the pool's `tls.ca_file`.",
            "Give the CA that signed its certificate: `dcr-sidecar pool update --ca-file`.",
        ),
        "idp-no-document": (
            "error",
            "Correct the pool's `issuer`, or give its `endpoints` one by one.",
            "Give its endpoints: `dcr-sidecar pool update --endpoint`. If the issuer is wrong, make another pool.",
        ),
        "idp-issuer": (
            "error",
            "Copy the issuer into the pool's `issuer`, if it is the provider that you mean.",
            "Make another pool with that issuer, if it is the provider that you mean; a pool's issuer stays.",
        ),
        "idp-document": (
            "error",
            "Mend it at the IdP, or give the pool's `endpoints` one by one.",
            "Mend it at the IdP, or give the endpoints one by one: `dcr-sidecar pool update --endpoint`.",
        ),
        "idp-keys": (
            "error",
            "Mend it at the IdP, or correct the pool's `endpoints.jwks`.",
            "Mend it at the IdP, or `dcr-sidecar pool update --endpoint jwks=URL`.",
        ),
        "idp-self-registered": ("note", "See `dcr-sidecar pool show`, or sign in once: only that shows it."),
        "idp-not-registered": (
            "error",
            "Register a client there by hand with this callback and these scopes, and set the pool's `client_id`.",
            "Register a client there by hand with this callback and these scopes; `dcr-sidecar pool update` takes it.",
        ),
        "idp-forgotten": (
            "warning",
            "Nothing at first: it registers anew at the next sign-in. If it stays so, see `dcr-sidecar pool show`.",
        ),
        "idp-no-pkce": ("note", "Nothing, unless sign-ins fail: PKCE is sent where the preset says so."),
        "idp-credentials": (
            "error",
            "Copy id and secret anew from the IdP to `client_id` and `client_secret_file`; the secret may be over.",
            "Copy them anew from the IdP: `dcr-sidecar pool update --client-secret-file FILE`; the secret may be over.",
        ),
        "idp-credentials-unclear": ("note", "Sign in once: only that shows it here."),
        "idp-credentials-untried": ("note", "Run it without `--no-idp-post`."),
        "idp-former": (
            "warning",
            "Correct that entry of the pool's `former`, or remove it once nobody's grant needs it.",
            "Bring that client back at the IdP, or do nothing: its users sign in again when their grants end.",
        ),
        "idp-callback": ("warning", "Enter this URL, byte for byte, as a redirect URI of the client at the IdP."),
        "idp-callback-unclear": ("note", "Sign in once: only that shows it here."),
        "idp-sign-in": (
            "warning",
            "Compare `client_id`, `scopes` and the callback URL with the client's page at the IdP.",
            "Compare what `dcr-sidecar pool show` prints with the client's page at the IdP.",
        ),
        "idp-clock": ("warning", "Let NTP set this machine's clock."),
        "idp-clock-wrong": ("error", "Let NTP set this machine's clock: id_tokens are refused as it is."),
    },
    "envoy": {
        "envoy-unseen": ("warning", "Name its admin page with `--envoy-admin`, or leave it out with `--only`."),
        "envoy-not-live": ("error", "See Envoy's own log."),
        "envoy-old": ("warning", "Update to a patch release that mends HTTP ext_authz: 1.40, or see envoy/README.md."),
        "envoy-admin-public": ("error", "Bind `admin.address` to 127.0.0.1 or a unix socket."),
        "envoy-no-check": ("error", "Load what `dcr-sidecar envoy-config` prints."),
        "envoy-unserved": ("error", "Load what `dcr-sidecar envoy-config` prints."),
        "envoy-unchecked": ("error", "Remove the route, or what turns ext_authz off there."),
        "envoy-fails-open": ("error", "Remove `failure_mode_allow` from ext_authz."),
        "envoy-sometimes": ("error", "Remove `filter_enabled` and `filter_enabled_metadata` from ext_authz."),
        "envoy-other-check": ("error", "Load the ext_authz filter that `dcr-sidecar envoy-config` prints."),
        "envoy-strip": ("error", "Load `early_header_mutation_extensions` from `dcr-sidecar envoy-config`."),
        "envoy-paths": ("error", "Load the connection manager's settings from `dcr-sidecar envoy-config`."),
        "envoy-source": ("warning", "Set `envoy.trusted_hops` to the number of proxies in front, and load it anew."),
        "envoy-differs": ("warning", "Load what `dcr-sidecar envoy-config` prints today, or undo the change by hand."),
    },
    "listeners": {
        "sidecar-down": ("error", "Start it: `dcr-sidecar serve`; or correct `listeners.ops`."),
        "sidecar-not-ready": ("error", "See the findings about the store, and the sidecar's log."),
        "origin-down": ("warning", "Start the MCP server, or correct the server's `origin`."),
    },
    "egress": {
        "egress-blocked": (
            "warning",
            "Open TCP 443 outwards, or say `registration: {cimd: off}`: without it no client document is read.",
        ),
    },
    "doctor": {
        "check-late": ("warning", "Look at what it asks, or give it longer with `--timeout`."),
        "check-broken": ("error", "Report it, with this line."),
    },
}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        **{id_: Kind(group, *told) for group, kinds in _TABLE.items() for id_, told in kinds.items()},
        **{f"{group}-ok": Kind(group, "ok", "") for group in GROUPS},
    }
)
