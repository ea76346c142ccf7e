"""Nets as Caffe runs them: blobs in memory, layer by layer, forward and backward; their data, solvers and log lines."""
