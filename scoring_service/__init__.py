"""The web service in the scoring image; it imports nothing of ours.

A request's way: `listener` -> `connection` (bytes to messages) -> `routes` (method, path, key) -> a protocol
(`scoring` for `/score`, `inference` for v2, `invocations` for MLflow) -> `scoring` (prediction) -> `recording` (log)
-> back through `outbox`, at the end of the `turn`.
`context` is what the image holds, `settings` what its environment says.
"""

VERSION = "0.1.0"
"""What `/version` and `/v2` tell."""
