"""Solvers: files (`reading`), learning rates (`rates`), `rules` of the update, `snapshots`, and the loop (`solver`)."""
