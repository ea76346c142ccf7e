"""A Caffe net in the making, and the ways in which one thing can be said in Caffe's layers."""
