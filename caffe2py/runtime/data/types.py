"""The layer types that bring data in, and those that take it out."""

from __future__ import annotations

from collections.abc import Mapping

from caffe2py.runtime.data.database_data import DatabaseFeed
from caffe2py.runtime.data.dummy_data import DummyFeed
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.data.hdf5_data import Hdf5Feed
from caffe2py.runtime.data.hdf5_output import Hdf5Output
from caffe2py.runtime.data.image_data import ImageFeed
from caffe2py.runtime.data.memory_data import MemoryFeed
from caffe2py.runtime.data.window_data import WindowFeed
from caffe2py.runtime.layers.operator import Operator

FEEDS: Mapping[str, type[Feed]] = {
    feed.type: feed for feed in (DatabaseFeed, DummyFeed, Hdf5Feed, ImageFeed, MemoryFeed, WindowFeed)
}
SINKS: Mapping[str, type[Operator]] = {"HDF5Output": Hdf5Output}
