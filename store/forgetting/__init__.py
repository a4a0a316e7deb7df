"""Purge and retain: removing what is to be forgotten, everywhere, and remembering that it is."""
