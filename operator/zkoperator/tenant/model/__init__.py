"""What a ZNode is made of: its names, its ACL, its quota. Pure."""
