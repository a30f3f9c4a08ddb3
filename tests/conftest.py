"""Settings of all tests."""

from hypothesis import settings

# No deadline: machines are noisy, and a slow example is no broken promise.
settings.register_profile("everyday", max_examples=25, deadline=None)
settings.load_profile("everyday")
