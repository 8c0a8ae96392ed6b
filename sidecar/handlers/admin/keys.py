"""GET /admin/keys: which keys there are and how many clients depend on each. No key material."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.admin.keys import KeyOverview
from sidecar.admin.views import KeysView
from sidecar.handlers.admin.operations import Asked, Operation


class NothingAsked(Asked):
    pass


@dataclass(frozen=True, slots=True)
class KeysResource:
    keys: KeyOverview

    def operations(self) -> Iterable[Operation[Any]]:
        yield Operation("GET", "/admin/keys", "listKeys", "Keys, and what they made", NothingAsked, KeysView, self.read)

    async def read(self, _asked: NothingAsked) -> KeysView:
        return await self.keys.read()
