"""Event Grid's messages: a blob that landed, a model that was registered."""

from __future__ import annotations

from typing import Final

BLOB_CREATED: Final = "Microsoft.Storage.BlobCreated"
MODEL_REGISTERED: Final = "Microsoft.MachineLearningServices.ModelRegistered"
