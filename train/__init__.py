"""Makes model versions and decides whether one may serve."""
