"""Learned blobs and mean images, in the binary formats and HDF5."""
