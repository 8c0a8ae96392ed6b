"""The end of something that is ended by its address: what goes with it is told and asked about first, then it is done.

Owns the steps. The words are those of the command.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sidecar.admin.views import Fallout, Offboarded
from sidecar.cli.admin_client import AdminClient
from sidecar.cli.answers import ask, print_json, several
from sidecar.cli.output import done, warn

V = TypeVar("V", Fallout, Offboarded)


@dataclass(frozen=True, slots=True)
class Ending(Generic[V]):
    view: type[V]
    path: str
    fallout: Callable[[V], str]
    """Whose the grants are."""
    question: str
    """With `{}` for what ends."""
    told: Callable[[V], str]
    """When it is done."""
    meanwhile: str
    """What holds while the rest is being ended."""
    query: Mapping[str, str] = field(default_factory=dict)


def end(api: AdminClient, what: Ending[V], *, dry_run: bool, yes: bool, as_json: bool) -> V | None:
    """What was ended; None after a dry run. Without a yes it ends here."""
    if dry_run or not yes:
        would = what.view.model_validate(api.call("DELETE", what.path, query={**what.query, "dry_run": "true"}))
        fallout = f"{several(would.grants, 'grant', least=not would.complete)} of {what.fallout(would)}"
        if dry_run:
            print_json(would) if as_json else done(f"would end {fallout}; nothing was changed")
            return None
        ask(what.question.format(fallout))
    ended = what.view.model_validate(api.call("DELETE", what.path, query=what.query))
    if as_json:
        print_json(ended)
    done(what.told(ended))
    if not ended.complete:
        warn(f"the rest is being ended in the background; {what.meanwhile}")
    return ended
