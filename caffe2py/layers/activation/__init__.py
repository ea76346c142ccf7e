"""Layers that work on each value by itself."""
