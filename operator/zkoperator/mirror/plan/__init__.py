"""Decides what one pass writes. Pure."""
