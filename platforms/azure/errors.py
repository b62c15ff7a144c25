"""What the SDKs raise, told as the ports do: the thing, the place and the next step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from platforms.errors import PlatformError

FORBIDDEN: Final = (401, 403)
QUERY: Final = re.compile(r"\?[^\s'\"<>)]*\bsig=[^\s'\"<>)]*")
"""The part of an address that holds a shared access signature: whoever reads it may do what it allows."""


@contextmanager
def translated(what: str, missing: PlatformError | None = None) -> Iterator[None]:
    """Raise a `PlatformError` about `what` for any error of an SDK, or `missing` if the thing does not exist."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

    try:
        yield
    except ClientAuthenticationError as error:
        raise PlatformError(f"{what}: nobody is signed in, run `az login`: {line(error.message)}") from error
    except ResourceNotFoundError as error:
        if missing is None or _lacks_container(error):
            raise PlatformError(
                f"{what}: {line(error.message)}; `ridgeline provision --plan` shows what is missing"
            ) from error
        raise missing from None
    except HttpResponseError as error:
        step = "docs/azure.md lists the roles that it needs" if error.status_code in FORBIDDEN else "try again"
        raise PlatformError(f"{what}: {error.status_code} {line(error.message)}; {step}") from error
    except AzureError as error:
        raise PlatformError(f"{what}: {line(error.message)}; check the network and try again") from error


def unset(field: str) -> PlatformError:
    """What to raise for a setting that is needed and has no value."""
    return PlatformError(f"RIDGELINE_AZURE_{field.upper()} is not set: docs/azure.md says what to choose")


def address(url: str) -> str:
    """An address to show to people: without its query, where a shared access signature stands."""
    return url.partition("?")[0]


def line(text: str) -> str:
    """The text of an error in one line, without shared access signatures."""
    return QUERY.sub("", " ".join(text.split()))


def _lacks_container(error: object) -> bool:
    return getattr(error, "error_code", None) == "ContainerNotFound"
