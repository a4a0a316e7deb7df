"""Runs model versions, measures, and finds what a model does not understand."""
