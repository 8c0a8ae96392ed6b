"""Whether this store keeps what is entrusted to it: judges what it says of itself. Pure."""

from collections.abc import Iterator, Mapping

from sidecar.doctor.deployment import StoreAddress
from sidecar.doctor.finding import Finding, fine, found
from sidecar.doctor.permissions import acl_rule
from sidecar.doctor.seen import StoreSeen

WHERE = "store.url"
OLDEST = (6, 2)
CLOCK_SECONDS = 5
_FULL = 0.8
_HASTE = 4
"""One operation is several commands' worth of waiting: a ping must take a fraction of `timeout_ms`."""
_NEVER = "noeviction"
_SHOWN = 6


def judge_store(seen: StoreSeen, address: StoreAddress) -> Iterator[Finding]:
    if seen.hidden:
        yield found("store-unseen", WHERE, "the path of `embedded:` is long, so its socket is in a place of its own")
        return
    if seen.fault:
        yield found("store-down", WHERE, seen.fault)
        return
    yield from _speed(seen, address)
    yield from _permissions(seen, address)
    yield from _clock(seen)
    if not seen.info:
        yield found("store-withheld", WHERE, "the store's user may not run INFO: persistence and memory are not seen")
        return
    yield fine("store", WHERE, f"{_product(seen.info)} answers in {seen.ping_ms:.1f} ms")
    yield from _version(seen.info)
    yield from _persistence(seen)
    yield from _memory(seen.info)
    yield from _replication(seen.info, address)
    yield from _cluster(seen, address)


def _speed(seen: StoreSeen, address: StoreAddress) -> Iterator[Finding]:
    if seen.first_ms > address.timeout_ms or seen.ping_ms * _HASTE > address.timeout_ms:
        text = f"connecting took {seen.first_ms:.0f} ms and a PING {seen.ping_ms:.0f} ms"
        yield found("store-slow", WHERE, f"{text}; a whole operation has {address.timeout_ms} ms (`store.timeout_ms`)")


def _permissions(seen: StoreSeen, address: StoreAddress) -> Iterator[Finding]:
    if seen.denied:
        more = f" and {len(seen.denied) - _SHOWN} more" if len(seen.denied) > _SHOWN else ""
        told = f"{', '.join(seen.denied[:_SHOWN])}{more}"
        yield found("store-denies", WHERE, f"its user may not run {told} on our keys; it needs {acl_rule(address)}")
    elif not seen.acl_known:
        yield found("store-permissions-unknown", WHERE, "this server does not say what its user may run")


def _clock(seen: StoreSeen) -> Iterator[Finding]:
    if seen.ahead is None or abs(seen.ahead) < CLOCK_SECONDS:
        return
    way = "ahead of" if seen.ahead > 0 else "behind"
    text = f"its clock is {abs(seen.ahead):.0f} s {way} ours: codes and tokens end too early or too late"
    yield found("store-clock", WHERE, text)


def _product(info: Mapping[str, object]) -> str:
    if info.get("valkey_version"):
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', 'of unknown version')}"


def _version(info: Mapping[str, object]) -> Iterator[Finding]:
    parts = str(info.get("redis_version", "")).split(".")[:2]
    if len(parts) == len(OLDEST) and all(part.isdigit() for part in parts) and tuple(map(int, parts)) < OLDEST:
        yield found("store-old", WHERE, f"Redis {info['redis_version']} lacks what the scripts need")


def _persistence(seen: StoreSeen) -> Iterator[Finding]:
    info = seen.info
    for name, what in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "snapshot")):
        if info.get(name, "ok") != "ok":
            yield found("store-writes-fail", WHERE, f"its last {what} could not be written")
    if _number(info, "aof_enabled"):
        return
    lost = "after a restart everybody signs in again, and deleted clients are back"
    if seen.save is None:
        yield found("store-persistence-unknown", WHERE, f"it keeps no append-only file; without snapshots, {lost}")
    elif not seen.save:
        yield found("store-forgets", WHERE, f"it writes nothing to disk: {lost}")


def _memory(info: Mapping[str, object]) -> Iterator[Finding]:
    limit, used, policy = _number(info, "maxmemory"), _number(info, "used_memory"), info.get("maxmemory_policy", _NEVER)
    if not limit:
        return
    if policy != _NEVER:
        text = f"maxmemory-policy is {policy}: when memory is short, grants and denials vanish"
        yield found("store-evicts", WHERE, text)
    if used > limit * _FULL:
        yield found("store-full", WHERE, f"{used / limit:.0%} of its maxmemory is in use; full, it takes no sign-in")


def _replication(info: Mapping[str, object], address: StoreAddress) -> Iterator[Finding]:
    if info.get("role", "master") != "master":
        if info.get("master_link_status", "up") != "up":
            yield found("store-replica-lost", WHERE, "this is a replica, and its link to the primary is down")
        yield found("store-replica", WHERE, "this is a read-only replica: nothing can be stored there")
        return
    online = sum(_online(value) for name, value in info.items() if name.startswith("slave") and name[5:].isdigit())
    if online < address.wait_replicas:
        text = f"{online} replicas are in step, {address.wait_replicas} must confirm (`store.wait_replicas`)"
        yield found("store-replicas-few", WHERE, f"{text}: /revoke answers 503")


def _online(replica: object) -> bool:
    """A line of INFO such as `ip=…,state=online,lag=0`; the client may have parsed it."""
    if isinstance(replica, dict):
        return replica.get("state") == "online"
    return "state=online" in str(replica)


def _cluster(seen: StoreSeen, address: StoreAddress) -> Iterator[Finding]:
    if not _number(seen.info, "cluster_enabled"):
        return
    if "+cluster" not in address.url.partition("://")[0]:
        yield found("store-is-cluster", WHERE, "this is a node of a cluster, and the URL's scheme does not say so")
    if seen.cluster and seen.cluster.get("cluster_state") != "ok":
        assigned = seen.cluster.get("cluster_slots_ok", "?")
        yield found("store-cluster-broken", WHERE, f"the cluster is down: {assigned} of 16384 slots are served")


def _number(info: Mapping[str, object], name: str) -> float:
    value = info.get(name, 0)
    return float(value) if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()) else 0.0
