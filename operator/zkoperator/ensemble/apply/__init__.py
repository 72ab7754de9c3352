"""Carries out steps, each a conditional write. I/O."""
