"""Decides the next steps, at most one of them disruptive. Pure."""
