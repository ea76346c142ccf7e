"""Caffe's messages, under the name that pycaffe has for them."""
