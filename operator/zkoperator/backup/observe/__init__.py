"""What is seen of a backup: its Job, and what the next one needs."""
