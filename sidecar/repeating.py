"""What is done again and again as long as the process lives, whatever fails. Owns neither the work nor its pace."""

from collections.abc import Awaitable, Callable

from sidecar.events import Recorder, UnexpectedError
from sidecar.store.base import StoreError


async def repeat(work: Callable[[], Awaitable[None]], recorder: Recorder, pause: Callable[[], Awaitable[None]]) -> None:
    """Never returns. A store that is down is asked again; a defect is told, and does not end what nobody else does."""
    while True:
        try:
            await work()
        except StoreError:
            pass  # readiness tells that
        except Exception as error:  # noqa: BLE001 - nobody else would go on
            recorder(UnexpectedError(kind=type(error).__name__, frames=()))
        await pause()
