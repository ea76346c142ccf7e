"""Bytes and text to messages and back: prototxts, their upgrades and rules."""

from caffe2py.proto.filter import filter_net
from caffe2py.proto.net import net_from_message, net_of, parse_net, read_net, read_prototxt
from caffe2py.proto.schema import field_default, message_class
from caffe2py.proto.text.prototxt import LayerText, NetText, Unknown, parse_text
from caffe2py.proto.text.writer import format_message, format_net
from caffe2py.proto.upgrade.v1 import upgrade_net, upgrade_solver

__all__ = [
    "LayerText",
    "NetText",
    "Unknown",
    "field_default",
    "filter_net",
    "format_message",
    "format_net",
    "message_class",
    "net_from_message",
    "net_of",
    "parse_net",
    "parse_text",
    "read_net",
    "read_prototxt",
    "upgrade_net",
    "upgrade_solver",
]
