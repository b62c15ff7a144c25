"""Long-running operations of Azure, waited for no longer than a setting says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platforms.errors import PlatformError

if TYPE_CHECKING:
    from azure.core.polling import LROPoller


def finish(poller: LROPoller[object], what: str, seconds: float, setting: str) -> None:
    """Return when the operation has succeeded.

    Raises the SDK's error if it failed, and `PlatformError` if it still goes on after so many seconds, which are the
    value of the named setting.
    """
    poller.wait(seconds)
    if not poller.done():
        raise PlatformError(still_going_on(what, seconds, setting))


def still_going_on(what: str, seconds: float, setting: str) -> str:
    """What to say of work that Azure has not ended in time."""
    return (
        f"{what} still goes on after {seconds:g} s (RIDGELINE_AZURE_{setting.upper()}): "
        "look at it in the portal, and try again when it has ended"
    )
