"""`dcr-sidecar demo`, its first and its last step: whether it can start here, and the exit code.

Exit codes: 0 stopped by the user, 1 a part failed, 2 it cannot start here (a taken port, a folder in use). What takes
long to import comes after what can be said at once.
"""

import asyncio
import logging
from pathlib import Path

from rich.console import Console

from sidecar.demo.folder import DEFAULT, CannotStart, opened
from sidecar.demo.ports import listen, port_of, require_free


def run(port: int, data: Path | None) -> int:
    out, complaints = _console(), _console(stderr=True)
    try:
        if port == 0:
            with listen() as listener:
                port = port_of(listener)
        require_free(port)
        with opened(data or DEFAULT) as folder:
            out.print("Starting Envoy, Valkey, the sidecar, an MCP server and an IdP on loopback…")
            # What the MCP SDK and other libraries have to say belongs into a file, not between the steps.
            logging.basicConfig(filename=folder.log("libraries"), filemode="w", level=logging.WARNING)
            from sidecar.demo.live import until_stopped

            return asyncio.run(until_stopped(port, folder, out, complaints))
    except CannotStart as error:
        complaints.print(f"The demo cannot start: {error}.")
        return 2
    except KeyboardInterrupt:  # before the signals were ours, so before there was anything to stop
        return 0


def _console(*, stderr: bool = False) -> Console:
    """Plain when nobody watches; never wrapped, so that a URL stays one line."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
