"""What follows from it. Pure."""
