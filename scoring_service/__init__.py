"""The web service in the scoring image; it imports nothing of ours."""
