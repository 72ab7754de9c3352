"""What is read of a whole ensemble: exact exports, and the comparison of its members."""
