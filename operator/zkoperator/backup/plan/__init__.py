"""What to do next for one backup. Pure."""
