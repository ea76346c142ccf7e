"""Layers of FlowNet: motion between two images."""
