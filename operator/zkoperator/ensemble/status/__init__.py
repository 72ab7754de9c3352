"""Computes the status (pure) and writes it once (I/O)."""
