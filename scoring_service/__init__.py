"""The web service in the scoring image; it imports nothing of ours.

A request's way: `connection` (bytes to messages) -> `routes` (method, path, key) -> `scoring` (rows, prediction,
log) -> back. `context` is what the image holds, `settings` what its environment says.
"""
