"""The kinds of value that calls take, and what each refuses by itself."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from sidecar.store.listing import CURSOR

_POOL_NAME = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


def _flag(value: object) -> object:
    """Spelled as JSON spells it, and in no other way: what deletes must not depend on what counts as true."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


def _pool_name(value: object) -> object:
    """Says in words what the pattern says to machines."""
    if isinstance(value, str) and not re.fullmatch(_POOL_NAME, value):
        raise ValueError("must be lower-case letters, digits and dashes, 40 at most")
    return value


Flag = Annotated[bool, Field(strict=True), BeforeValidator(_flag)]
number = BeforeValidator(_number)
"""For whole numbers in a query, where everything is text."""
Limit = Annotated[int, Field(strict=True, ge=1, le=1000), number]
PoolName = Annotated[str, Field(pattern=_POOL_NAME), BeforeValidator(_pool_name)]
PoolNameOrAll = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$")]
ClientId = Annotated[str, Field(pattern=r"^[!-~]{1,2048}$")]
ClientIdOrNone = Annotated[str, Field(pattern=r"^[!-~]{0,2048}$")]
GrantId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Subject = Annotated[str, Field(min_length=1, max_length=255)]
Find = Annotated[str, Field(max_length=200)]
After = Annotated[str, Field(pattern=rf"^({CURSOR})?$")]
AfterInPool = Annotated[str, Field(pattern=rf"^([a-z0-9-]{{1,40}}~({CURSOR})?)?$")]
