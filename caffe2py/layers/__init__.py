"""What each Caffe layer type means: one class in one file for each."""
