"""What the SDKs raise, told as the ports do: the thing, the place and the next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from platforms.errors import PlatformError

FORBIDDEN: Final = (401, 403)


@contextmanager
def told(what: str, missing: PlatformError | None = None) -> Iterator[None]:
    """Raise a `PlatformError` about `what` for any error of an SDK, or `missing` if the thing does not exist."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

    try:
        yield
    except ClientAuthenticationError as error:
        raise PlatformError(f"{what}: nobody is signed in, run `az login`: {_line(error.message)}") from error
    except ResourceNotFoundError as error:
        if missing is None or _lacks_container(error):
            raise PlatformError(
                f"{what}: {_line(error.message)}; `ridgeline provision --plan` shows what is missing"
            ) from error
        raise missing from None
    except HttpResponseError as error:
        step = "docs/azure.md lists the roles that it needs" if error.status_code in FORBIDDEN else "try again"
        raise PlatformError(f"{what}: {error.status_code} {_line(error.message)}; {step}") from error
    except AzureError as error:
        raise PlatformError(f"{what}: {_line(error.message)}; check the network and try again") from error


def _line(text: str) -> str:
    return " ".join(text.split())


def _lacks_container(error: object) -> bool:
    return getattr(error, "error_code", None) == "ContainerNotFound"
