"""HDF5 files from anywhere: opened and read safely, whatever is in them, and written."""
