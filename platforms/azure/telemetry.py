"""Measurements and outcomes as custom events of Application Insights."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from platforms.azure.settings import AzureSettings
from platforms.protocols import Telemetry
from platforms.values import Parameter

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider

log = logging.getLogger(__name__)

EVENT: Final = "microsoft.custom_event.name"
"""The attribute that makes a log record a custom event."""
ROLE: Final = {"service.name": "ridgeline"}
SILENT: Final = ("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "APPLICATIONINSIGHTS_SDKSTATS_DISABLED")
"""Variables that keep the exporter from reporting about itself."""


class NoTelemetry:
    """The telemetry port where no Application Insights is set: the journal and Prefect have every outcome too."""

    def emit(self, name: str, fields: Mapping[str, Parameter]) -> None:
        """Do nothing."""


class MonitorTelemetry:
    """The telemetry port on the Azure Monitor exporter, which sends in the background, at the latest at the end."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string

    def emit(self, name: str, fields: Mapping[str, Parameter]) -> None:
        """Queue one custom event; never raises, a lost one loses no fact."""
        try:
            from opentelemetry._logs import LogRecord, SeverityNumber

            attributes = {EVENT: name, **fields}
            record = LogRecord(severity_number=SeverityNumber.INFO, body=name, attributes=attributes)
            self._provider.get_logger("ridgeline").emit(record)
        except Exception as error:  # whatever the exporter cannot do, the flow goes on
            log.warning("telemetry %s is lost: %s", name, error)

    @cached_property
    def _provider(self) -> LoggerProvider:
        for variable in SILENT:
            os.environ.setdefault(variable, "true")
        from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.resources import Resource

        exporter = AzureMonitorLogExporter(connection_string=self._connection_string, disable_offline_storage=True)
        provider = LoggerProvider(Resource.create(ROLE))
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        return provider


def telemetry(settings: AzureSettings) -> Telemetry:
    """The telemetry port of the settings."""
    if settings.application_insights is None:
        return NoTelemetry()
    return MonitorTelemetry(settings.application_insights.get_secret_value())
