"""Layers that bring data in, or take it out. A net without Caffe's databases has them as inputs."""
