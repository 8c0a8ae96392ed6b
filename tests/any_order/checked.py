"""What is looked at: each answer as it comes, every token at the end, and what lies in the store."""

import asyncio
from itertools import product

from hypothesis.stateful import RuleBasedStateMachine

from tests.any_order.model import STALE, Access, App, Family
from tests.any_order.world import SERVERS, World, worlds
from tests.endpoints.front import ISS, Answer

LASTING = (b"test:deny:", b"test:pools", b"test:sweeps")
"""What stays in the store for good: denials, pools, and what is left to do."""


class Checked(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.entered = worlds()
        self.world: World = self.runner.run(self.entered.__aenter__())
        self.all_apps: list[App] = []
        self.all_families: list[Family] = []
        self.offboarded: dict[str, int] = {}

    def teardown(self) -> None:
        try:
            self.runner.run(self.nothing_leaked())
            self.runner.run(self.everything_settled())
        finally:
            self.runner.run(self.entered.__aexit__(None, None, None))
            self.runner.close()

    @property
    def now(self) -> int:
        return self.world.now

    @property
    def living(self) -> list[Family]:
        return [family for family in self.all_families if family.over is None and not family.app.deleted]

    def pass_time(self) -> None:
        for family in self.all_families:
            family.expire(self.now)

    def refused(self, answer: Answer) -> None:
        """A page of ours: nobody is told anything, nothing goes on."""
        assert answer.status in (400, 403), (answer.status, answer.text)
        assert "Location" not in answer.headers
        assert not [line for line in answer.cookies if "-txn-" in line and "Max-Age=0" not in line]

    def told(self, app: App, answer: Answer, error: str = "") -> None:
        """The client is told, at the address that it registered and nowhere else."""
        assert answer.status == 303, answer.text
        assert answer.location.partition("?")[0] == app.redirect
        assert answer.query.get("error", "") == error
        assert answer.query["iss"] == ISS

    async def nothing_leaked(self) -> None:
        """Not in the store, not on the metrics page; and nothing in the store is there for good that need not be."""
        world = self.world
        for session in world.front.idp.sessions:
            world.secrets |= {*session.access_tokens, session.refresh_token} - {""}
        dump = await world.dump()
        everything = b"\n".join(key + value for key, (value, _) in dump.items())
        told = repr(world.front.events)
        for secret in world.secrets:
            assert secret.encode() not in everything
            assert secret not in told
        for key, (_, life) in dump.items():
            assert life != -1 or key.startswith(LASTING), key

    async def everything_settled(self) -> None:
        """Once more, each token at each server, when no replica can remember anything."""
        self.world.front.clock.advance(STALE)
        self.pass_time()
        for family in self.all_families:
            for token in family.access:
                for replica, server in product((0, 1), SERVERS):
                    await self.called(family, token, replica, server)

    async def called(self, family: Family, token: Access, replica: int, server: str) -> None:
        status, headers = await self.world.call(replica, server, token.text)
        expected = family.may_call(token, self.now) if server == family.server else "no"
        if status == 200:
            assert expected != "no", (family, token, server)
            upstream = headers["authorization"].removeprefix("Bearer ")
            assert self.world.session_of(upstream).user["sub"] == family.user
            self.world.secrets.add(upstream)
        else:
            assert status == 401, status
            assert expected != "yes", (family, token, server)
            assert "resource_metadata=" in headers["www-authenticate"]
            if family.shaky and server == family.server and expected == "either" and token.revoked is None:
                family.end(self.now, "the IdP ended it")
