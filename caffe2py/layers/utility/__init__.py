"""Layers that shape, cut, join and compare blobs."""
