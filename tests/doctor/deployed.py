"""A deployment that is right, to be spoiled, and one check of it."""

from dataclasses import replace
from typing import Any

from sidecar.directory import Directory, Issuer, Server
from sidecar.doctor import Deployment, Finding, Options, StoreAddress, examine
from sidecar.envoy_config import Address, EnvoyPlan
from sidecar.sealing import Key, Keyring, KeyState

HOST = "mcp.example.com"
ISSUER = f"https://{HOST}"
CALLBACK = f"{ISSUER}/callback"
KEYRING = Keyring((Key(1, KeyState.ACTIVE, bytes(range(32))),))


def directory(origin: str = "http://127.0.0.1:3000", **pools: Any) -> Directory:
    server = Server("notes", f"{ISSUER}/mcp", origin, ISSUER, "corp")
    return Directory(servers=(server,), issuers=(Issuer(ISSUER, "corp"),), pools=pools)


def deployment(**overrides: Any) -> Deployment:
    served = overrides.pop("directory", directory())
    made = Deployment(
        directory=served,
        store=StoreAddress("redis://127.0.0.1:1"),
        plan=EnvoyPlan(served, admin=Address("127.0.0.1", 9901)),
        envoy_admin="http://127.0.0.1:1",
        ops="http://127.0.0.1:1",
        keyring=KEYRING,
    )
    return replace(made, **overrides)


async def examined(group: str, made: Deployment, **options: Any) -> tuple[Finding, ...]:
    return await examine(made, Options(only=frozenset({group}), **options))


def wrong(findings) -> list[str]:
    """The ids of all that is not right, in order."""
    return [one.id for one in findings if one.level != "ok"]
