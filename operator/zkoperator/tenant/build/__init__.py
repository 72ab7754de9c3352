"""The object that a ZNode has: the Secret for its application. Pure."""
