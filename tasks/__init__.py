"""One module per concern: small tasks that call only the platform's ports."""
