"""What the testbed tells the person in front of it."""


class TestbedError(Exception):
    """Something outside the testbed's control is missing or went wrong; the message names the remedy."""

    __test__ = False
