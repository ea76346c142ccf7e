"""Proof: activations recorded in Caffe, read, compared with ours layer by layer, and what is found told.

The public functions are `caffe2py.verify`, `caffe2py.record` and `caffe2py.compare`.
"""
