"""Predictions kept, shared out and counted."""
