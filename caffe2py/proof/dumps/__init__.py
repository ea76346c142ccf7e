"""Recorded activations: read, written, and bound to a net's values."""
