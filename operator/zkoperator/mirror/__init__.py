"""ConfigSync: observe, validate, plan, apply, status."""
