"""Values and pure rules that several stages share."""
