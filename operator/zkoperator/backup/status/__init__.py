"""What is told of a backup."""
