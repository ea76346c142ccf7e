"""Errors, and what rounding explains of them."""
