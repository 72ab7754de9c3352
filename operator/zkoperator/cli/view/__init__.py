"""What several commands share: how they connect, read and print."""
