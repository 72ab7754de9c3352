"""Keys, certificates and trust bundles: made, checked, assembled, and replaced in a safe order. Pure."""
