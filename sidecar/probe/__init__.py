"""`dcr-sidecar probe`: what an MCP client would find at a URL, ours or anybody's, and what is wrong with it.

`walk` asks (through `fetch`, the only I/O), `seen` holds what was answered, `checks` judges it, `verdict` and `remedy`
say what follows. Owns nothing of a deployment: it reads no settings and knows the server by its URL alone.
"""

from sidecar.clock import Monotonic, system_monotonic
from sidecar.probe.checks import CHECKS
from sidecar.probe.fetch import open_fetcher
from sidecar.probe.report import Report
from sidecar.probe.text import print_report
from sidecar.probe.walk import Options, walk

__all__ = ["CHECKS", "Options", "Report", "print_report", "probe"]


async def probe(options: Options, monotonic: Monotonic = system_monotonic) -> Report:
    """Raises OSError for a CA file that cannot be used; whatever the server does ends in the report."""
    async with open_fetcher(
        options.url,
        headers=options.headers,
        seconds=options.seconds,
        ca_file=options.ca_file,
        monotonic=monotonic,
    ) as fetcher:
        return Report.of(await walk(fetcher, options))
