"""Brings pictures in. Never loads tensorflow."""
