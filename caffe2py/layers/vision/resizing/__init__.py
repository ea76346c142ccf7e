"""Layers that make images larger or smaller."""
