"""`dcr-sidecar drain`: before a pod goes. Envoy ends its connections politely while new ones still find an open door.

Envoy itself just ends on SIGTERM, and its image has nothing that could ask its admin page; the sidecar beside it has.
"""

import time
from typing import Annotated

import typer

from sidecar.cli.configuration import ConfigOption, load_address
from sidecar.cli.output import done, warn
from sidecar.cli.sockets import NoAnswer, ask

# Answers say `Connection: close` and HTTP/2 gets GOAWAY from now on; listeners stay open, for whoever has not heard yet
# that this pod is going. Without `skip_exit` the listeners would close after Envoy's drain time.
_POLITELY = "/drain_listeners?graceful&skip_exit"
_OK = 200

_Seconds = Annotated[float, typer.Option(min=0, max=600, help="How long to wait; connections end meanwhile.")]


def drain(config: ConfigOption = None, *, seconds: _Seconds = 15) -> None:
    """Ask the Envoy of this configuration to end its connections politely, and wait. For a preStop hook.

    Always waits the whole time and succeeds: a hook that failed would only take the time away.
    """
    admin = load_address(config, "envoy.admin")
    try:
        status, _ = ask(admin, "POST", _POLITELY)
    except NoAnswer as error:
        warn(f"Envoy's admin page at {admin} does not answer ({str(error) or type(error).__name__}); waiting only")
    else:
        if status == _OK:
            done(f"Envoy drains; waiting {seconds:g} s")
        else:
            warn(f"Envoy's admin page at {admin} says {status}; waiting only")
    time.sleep(seconds)
