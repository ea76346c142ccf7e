"""The Split layers that Caffe puts behind a blob with several readers, one top for each (insert_splits.cpp)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from caffe2py.proto.schema import LayerParameter
from caffe2py.proto.text.prototxt import LayerText, NetText

Top = tuple[int, int]  # the index of a layer, and of one of its tops


def insert_splits(net: NetText) -> NetText:
    """The net as Caffe runs it: each reader of a blob that others read too reads a copy of its own.

    before: a -> ip1, ip2            a blob that weighs in the loss and is read counts as two readers
    after:  a -> a_data_0_split -> a_data_0_split_0, a_data_0_split_1        ip1 reads the first, ip2 the second
    """
    made: dict[str, Top] = {}
    read: dict[tuple[int, int], Top] = {}
    readers: Counter[Top] = Counter()
    weights: dict[Top, float] = {}
    for i, layer in enumerate(net.layers):
        for j, blob in enumerate(layer.message.bottom):
            if blob in made:  # a bottom that nobody makes is told by whoever builds the graph
                read[i, j] = made[blob]
                readers[made[blob]] += 1
        made |= {blob: (i, j) for j, blob in enumerate(layer.message.top)}
        for j, weight in enumerate(list(layer.message.loss_weight)[: len(layer.message.top)]):
            weights[i, j] = weight
            readers[i, j] += weight != 0
    names = [layer.message.name for layer in net.layers]
    used: Counter[Top] = Counter(top for top, weight in weights.items() if weight and readers[top] > 1)
    layers = []
    for i, layer in enumerate(net.layers):
        message = LayerParameter()
        message.CopyFrom(layer.message)
        for j, blob in enumerate(layer.message.bottom):
            top = read.get((i, j))
            if top is not None and readers[top] > 1:
                message.bottom[j] = f"{blob}_{names[top[0]]}_{top[1]}_split_{used[top]}"
                used[top] += 1
        splits = []
        for j, blob in enumerate(layer.message.top):
            if readers[i, j] > 1:
                split = LayerParameter(name=f"{blob}_{names[i]}_{j}_split", type="Split", bottom=[blob])
                split.top.extend(f"{split.name}_{k}" for k in range(readers[i, j]))
                if weights.get((i, j)):
                    split.loss_weight.extend([weights[i, j]] + [0.0] * (readers[i, j] - 1))
                    message.ClearField("loss_weight")
                if layer.message.HasField("phase"):
                    split.phase = layer.message.phase
                splits.append(LayerText(split, layer.place))
        layers += [replace(layer, message=message), *splits]
    return replace(net, layers=tuple(layers))
