"""ConfigSync: validate, observe, plan, apply, status."""
