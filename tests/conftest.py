"""Makes the fixtures of tests/support known to every test."""

import hypothesis

pytest_plugins = ("tests.support.machines.testbed",)

# One default run is like another, so that what it finds is there for everybody; `make faults` looks further each time.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("new", derandomize=False, database=None)
hypothesis.settings.load_profile("same")
