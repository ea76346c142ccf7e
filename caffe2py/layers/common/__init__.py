"""Layers that are found in nets of every kind."""
