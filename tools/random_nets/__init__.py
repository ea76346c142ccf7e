"""Small random nets over every layer type, run in the real Caffe and here, or here in all of our ways."""
