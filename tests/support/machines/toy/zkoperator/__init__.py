"""A toy in the place of the operator: a regular package, so that it wins over an installed one."""
