"""What is told of a ZNode."""
