"""kopf registration: every handler is a few lines that wake a loop."""
