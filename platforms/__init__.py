"""Where things run: the ports (`protocols`), their settings, and one package per platform."""
