"""What a platform raises: each says what the caller can do about it."""

from __future__ import annotations


class PlatformError(Exception):
    """A platform could not do what was asked; the message names the thing, the place and the next step."""


class NotFoundError(PlatformError):
    """The named blob, table, model version, image, endpoint or secret does not exist."""


class ConflictError(PlatformError):
    """Somebody else changed the state that the call expected; read it again and decide anew."""


class JobFailedError(PlatformError):
    """A job on the compute failed, was killed or timed out; the message ends with its last lines."""


class NotReadyError(PlatformError):
    """An endpoint did not become ready with the new image; what served before still serves."""


class NotStartedError(NotReadyError):
    """The new image could not be pulled, scheduled or reached, or not start with the settings, keys or folders here.

    That says nothing about the model.
    """
