"""The writes of a backup. I/O."""
