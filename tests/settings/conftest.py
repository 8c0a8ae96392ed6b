"""A configuration that is right; each test spoils one thing."""

import copy
from pathlib import Path

import pytest

from sidecar import keyfile, settings

TREE = {
    "keys": {"file": "keys.json"},
    "store": {"url": "redis://127.0.0.1:6379/0"},
    "servers": [
        {
            "name": "notes",
            "resource": "https://mcp.example.com/mcp",
            "origin": "http://127.0.0.1:3000",
            "pool": "corp",
            "scopes": {"base": ["notes.read"]},
            "allow": {"domains": ["Example.com"]},
        }
    ],
    "pools": [
        {
            "name": "corp",
            "id": "corp-1",
            "provider": "oidc",
            "issuer": "https://login.example.com/",
            "client_id": "dcr",
            "client_secret": "s3cret",
            "scopes": ["openid"],
        }
    ],
}


class World:
    """`tree` is what the file would hold; `load()` is what comes of it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.tree = copy.deepcopy(TREE)

    @property
    def server(self) -> dict[str, object]:
        return self.tree["servers"][0]

    @property
    def pool(self) -> dict[str, object]:
        return self.tree["pools"][0]

    def add_server(self, **changes: object) -> None:
        self.tree["servers"].append(
            self.server | {"name": "second", "resource": "https://two.example.com/mcp"} | changes
        )

    def add_pool(self, **changes: object) -> None:
        self.tree["pools"].append(self.pool | {"name": "other", "id": "other-1"} | changes)

    def load(self) -> settings.Settings:
        return settings.parse(self.tree, base=self.base)

    def refusals(self) -> list[str]:
        with pytest.raises(settings.SettingsError) as refused:
            self.load()
        return [str(problem) for problem in refused.value.problems]


@pytest.fixture
def world(tmp_path, entropy, clock) -> World:
    keyfile.generate(tmp_path / "keys.json", entropy=entropy, clock=clock)
    return World(tmp_path)
