"""Boxes, regions of interest, and which of several that overlap remains."""
