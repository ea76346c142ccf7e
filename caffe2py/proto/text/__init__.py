"""Prototxt: text to messages and back, with places."""
