"""What the reconcilers of both kinds share: conditions, Events, the write of a status, and the operator's signature."""
