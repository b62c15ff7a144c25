"""The embedded platform: one machine, no account, no Docker."""
