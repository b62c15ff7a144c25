"""The Azure adapters through the real SDKs, against the offline Azure."""
