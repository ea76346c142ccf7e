"""Boxes to look into: those of a grid, and those that a net proposes."""
