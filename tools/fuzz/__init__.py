"""Mutated files for every reader: nothing but `CaffeError` may come of them, within bounded time and memory."""
