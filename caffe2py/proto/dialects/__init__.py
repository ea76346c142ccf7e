"""Which fork of Caffe wrote a net, and what its bytes mean: read by every schema, chosen, bound, and written again."""
