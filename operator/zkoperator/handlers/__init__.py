"""Event sources: kopf, run in a thread of its own, and a slow list. Every handler only wakes a loop."""
