"""Reads both sides of a ConfigSync. I/O."""
