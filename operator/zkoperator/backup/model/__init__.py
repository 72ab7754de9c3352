"""What a backup is made of: its names, its Job, its validated spec. Pure."""
