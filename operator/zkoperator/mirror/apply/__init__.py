"""Carries out the steps of a plan, each a conditional write. I/O."""
