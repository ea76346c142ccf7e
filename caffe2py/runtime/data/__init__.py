"""Data layers: where the samples of a net come from, and how they are transformed."""
