"""The files that a whole tree can be written as, one module a syntax: text to names and values, and back."""
