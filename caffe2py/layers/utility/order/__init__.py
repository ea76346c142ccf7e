"""Layers that put values in another order: axes, channels, rows."""
