"""What the reconcilers of all kinds share."""
