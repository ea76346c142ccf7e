"""`caffe.NetSpec`: nets written in Python. `layers` and `params` are what scripts call L and P."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from caffe2py.pycaffe.proto import caffe_pb2

Made = dict["Function", Any]  # the LayerParameter of each function, in order


def param_name_dict() -> dict[str, str]:
    """The field of LayerParameter that holds a type's parameters: {"Convolution": "convolution", ...}."""
    fields = caffe_pb2.LayerParameter.DESCRIPTOR.fields
    return {
        f.message_type.name.removesuffix("Parameter"): f.name.removesuffix("_param")
        for f in fields
        if f.name.endswith("_param")
    }


_PARAM_NAMES = param_name_dict()


def to_proto(*tops: Any) -> Any:
    """A NetParameter with all layers that these tops need."""
    layers: Made = OrderedDict()
    autonames: Counter[str] = Counter()
    for top in tops:
        top.fn._to_proto(layers, {}, autonames)
    return _net(layers)


def _net(layers: Made) -> Any:
    net = caffe_pb2.NetParameter()
    net.layer.extend(layers.values())
    return net


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set a field: a dict for a message, a list for a repeated field, of which one value may stand alone."""
    repeated = hasattr(getattr(proto, name), "extend")
    if repeated and not isinstance(val, list):
        val = [val]
    if isinstance(val, list):
        if val and isinstance(val[0], dict):
            for item in val:
                added = getattr(proto, name).add()
                for key, value in item.items():
                    assign_proto(added, key, value)
        else:
            getattr(proto, name).extend(val)
    elif isinstance(val, dict):
        for key, value in val.items():
            assign_proto(getattr(proto, name), key, value)
    else:
        setattr(proto, name, val)


class Top:
    """One top of a layer: top `n` of the function `fn`."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn = fn
        self.n = n

    def to_proto(self) -> Any:
        """A NetParameter with all layers that this top needs."""
        return to_proto(self)

    def _update(self, params: Mapping[str, Any]) -> None:
        self.fn._update(params)

    def _to_proto(self, layers: Made, names: dict[Any, str], autonames: Counter[str]) -> Any:
        return self.fn._to_proto(layers, names, autonames)


class Function:
    """A layer with its parameters, applied to tops of others. `ntop` and `in_place` are no parameters of the layer."""

    def __init__(self, type_name: str, inputs: tuple[Any, ...], params: dict[str, Any]) -> None:
        self.type_name = type_name
        for index, given in enumerate(inputs):
            if not isinstance(given, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(given)})")
        self.inputs = inputs
        self.params = params
        self.ntop = self.params.pop("ntop", 1)
        self.in_place = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _update(self, params: Mapping[str, Any]) -> None:
        self.params.update(params)

    def _get_name(self, names: dict[Any, str], autonames: Counter[str]) -> str:
        """The layer's name: that of its first top, or its type with a number."""
        if self not in names:
            if self.ntop > 0:
                names[self] = self._get_top_name(self.tops[0], names, autonames)
            else:
                names[self] = _numbered(self.type_name, autonames)
        return names[self]

    def _get_top_name(self, top: Top, names: dict[Any, str], autonames: Counter[str]) -> str:
        if top not in names:
            names[top] = _numbered(top.fn.type_name, autonames)
        return names[top]

    def _to_proto(self, layers: Made, names: dict[Any, str], autonames: Counter[str]) -> None:
        if self in layers:
            return
        bottoms = []
        for top in self.inputs:
            top._to_proto(layers, names, autonames)
            bottoms.append(layers[top.fn].top[top.n])
        layer = caffe_pb2.LayerParameter()
        layer.type = self.type_name
        layer.bottom.extend(bottoms)
        if self.in_place:
            layer.top.extend(layer.bottom)
        else:
            layer.top.extend(self._get_top_name(top, names, autonames) for top in self.tops)
        layer.name = self._get_name(names, autonames)
        for key, value in self.params.items():
            if key.endswith("param"):
                assign_proto(layer, key, value)
                continue
            try:
                assign_proto(getattr(layer, _PARAM_NAMES[self.type_name] + "_param"), key, value)
            except (AttributeError, KeyError):
                assign_proto(layer, key, value)
        layers[self] = layer


def _numbered(type_name: str, autonames: Counter[str]) -> str:
    autonames[type_name] += 1
    return f"{type_name}{autonames[type_name]}"


class NetSpec:
    """Named tops: `n.conv1 = L.Convolution(n.data, num_output=20)`; a layer without a top is named too."""

    tops: OrderedDict[str, Any]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.tops[name]

    def __setitem__(self, key: str, value: Any) -> None:
        self.__setattr__(key, value)

    def __getitem__(self, item: str) -> Any:
        return self.__getattr__(item)

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def update(self, name: str, params: Mapping[str, Any]) -> None:
        """Change parameters of the layer that makes a top."""
        self.tops[name]._update(params)

    def to_proto(self) -> Any:
        """A NetParameter with all layers that the named tops need."""
        names = {value: key for key, value in self.tops.items()}
        autonames: Counter[str] = Counter()
        layers: Made = OrderedDict()
        for top in self.tops.values():
            top._to_proto(layers, names, autonames)
        return _net(layers)


class Layers:
    """`layers.Convolution(bottom, num_output=20)`: a function for every layer type."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def layer_fn(*args: Any, **kwargs: Any) -> Any:
            fn = Function(name, args, kwargs)
            if fn.ntop == 0:
                return fn
            return fn.tops[0] if fn.ntop == 1 else fn.tops

        return layer_fn


class Parameters:
    """`params.Pooling.MAX`: the values of a type's parameters."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        class Param:
            def __getattr__(self, param_name: str) -> Any:
                return getattr(getattr(caffe_pb2, f"{name}Parameter"), param_name)

        return Param()


layers = Layers()
params = Parameters()
