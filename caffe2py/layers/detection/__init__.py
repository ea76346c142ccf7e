"""Layers that find things: boxes to start from, what is in them, and which of them remain."""
