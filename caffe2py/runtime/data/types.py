"""The layer types that bring data in, and those that take it out."""

from __future__ import annotations

from collections.abc import Mapping

from caffe2py.runtime.data.dummy_data import DummyFeed
from caffe2py.runtime.data.feed import Feed
from caffe2py.runtime.data.memory_data import MemoryFeed
from caffe2py.runtime.layers.operator import Operator

FEEDS: Mapping[str, type[Feed]] = {feed.type: feed for feed in (DummyFeed, MemoryFeed)}
SINKS: Mapping[str, type[Operator]] = {}
