"""What the store's user must be allowed: the commands that the store sends, and the rule that allows them. Pure."""

from sidecar.doctor.deployment import StoreAddress
from sidecar.store.address import parse

ANY_KEY, ANY_CHANNEL = "{key}", "{channel}"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("DEL", ANY_KEY),
    ("EVAL", "return 1", "1", ANY_KEY),
    ("EVALSHA", "0" * 40, "1", ANY_KEY),
    ("EXISTS", ANY_KEY),
    ("GET", ANY_KEY),
    ("HDEL", ANY_KEY, "f"),
    ("HEXISTS", ANY_KEY, "f"),
    ("HGET", ANY_KEY, "f"),
    ("HGETALL", ANY_KEY),
    ("HINCRBY", ANY_KEY, "f", "1"),
    ("HMGET", ANY_KEY, "f"),
    ("HSET", ANY_KEY, "f", "v"),
    ("HSETNX", ANY_KEY, "f", "v"),
    ("PERSIST", ANY_KEY),
    ("PEXPIRE", ANY_KEY, "1"),
    ("PEXPIREAT", ANY_KEY, "1"),
    ("PING",),
    ("PTTL", ANY_KEY),
    ("PUBLISH", ANY_CHANNEL, "m"),
    ("SADD", ANY_KEY, "m"),
    ("SET", ANY_KEY, "v"),
    ("SMEMBERS", ANY_KEY),
    ("SREM", ANY_KEY, "m"),
    ("SUBSCRIBE", ANY_CHANNEL),
    ("TIME",),
    ("ZADD", ANY_KEY, "1", "m"),
    ("ZCOUNT", ANY_KEY, "0", "1"),
    ("ZRANGE", ANY_KEY, "0", "1"),
    ("ZRANK", ANY_KEY, "m"),
    ("ZREM", ANY_KEY, "m"),
    ("ZREMRANGEBYSCORE", ANY_KEY, "0", "1"),
    ("ZSCORE", ANY_KEY, "m"),
)
"""What the store's user must be allowed, with arguments that the server can judge. None of it is carried out."""
WAIT: tuple[str, ...] = ("WAIT", "0", "0")


def acl_rule(address: StoreAddress) -> str:
    """What the store's user must be granted. SCHEMA.md has it for people."""
    rule = [f"~{address.prefix}:*", f"&{address.prefix}:*", *(f"+{command[0].lower()}" for command in COMMANDS)]
    if address.wait_replicas:
        rule.append("+wait")
    if "://" in address.url:  # an embedded one has no such thing, and no permissions
        there = parse(address.url)
        rule += ["+select"] if there.database else []
        rule += ["+asking", "+cluster", "+command"] if there.shape == "cluster" else []
    return " ".join(rule)
