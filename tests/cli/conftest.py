from __future__ import annotations

from tests.cli.scripted import script as script
