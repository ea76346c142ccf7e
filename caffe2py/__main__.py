"""`python -m caffe2py` is `caffe2py`."""

from caffe2py.cli import main

main()
