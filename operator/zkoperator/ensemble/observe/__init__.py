"""Reads the objects of a cluster and asks each member. I/O."""
