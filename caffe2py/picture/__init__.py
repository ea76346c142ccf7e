"""Nets as pictures that can be read: repeated blocks folded, laid out in layers, as SVG or as one HTML page."""
