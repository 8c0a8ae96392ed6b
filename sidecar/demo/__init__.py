"""`make run`: the whole thing on loopback with real parts, for trying out and for the end-to-end tests.

    runner        whether it can start here, and the exit code
    live          while it runs: signals, `ready: …`, the log of each step
    stack         the parts themselves, as one async context: Envoy, the store, the sidecar, the MCP server, the IdP
    children      child processes that cannot outlive us
    serving       applications on sockets inside this process
    ports         free loopback ports
    folder        the data folder: who uses it, which secrets and settings lie in it
    narrator      events -> one readable line each
    idp           an OpenID provider without DCR (idp_state: what it knows)
    mcp_server    an MCP server that validates the IdP's tokens itself and has never heard of the sidecar

Nothing here is imported by the sidecar proper. The IdP lets anybody in: never expose it.
"""

from pathlib import Path

__all__ = ["run_demo"]


def run_demo(port: int, data: Path | None) -> int:
    """Run until SIGINT or SIGTERM; the exit code. The extras are imported late, so that `serve` needs none of them."""
    from sidecar.demo.runner import run

    return run(port, data)
