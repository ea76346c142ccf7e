#!/usr/bin/env python
"""Record what every layer of a net makes, in the real Caffe, for `caffe2py verify --against DUMP`.

One file to copy to wherever a Caffe still runs: any pycaffe from 2014 on, Python 2.7 or 3, numpy; h5py if it is there.

    python record_caffe_activations.py net.prototxt net.caffemodel -o dump.h5 --input cat.jpg --mean 104,117,123
    python record_caffe_activations.py net.prototxt net.caffemodel -o dump.h5 --input data=x.npy --samples 256
    python record_caffe_activations.py net.prototxt net.caffemodel -o dump.npz --seed 1

The net runs layer by layer, and each top is read right after its layer, so that values that a later layer overwrites in
place are recorded too. What is written is `caffe-activations/1`: HDF5 with attributes format, net, phase, prototxt,
caffemodel_sha256; `input/BLOB`; and `layer/NNNN` with attributes name, type, bottoms, tops (JSON lists) and datasets
top0, top1 ... With --samples a top is a group instead: attributes shape, mean, std, min, max, l2, and datasets index
(flat, C order) and value. Without h5py, or for OUT.npz, the same arrays stand in an .npz under the same names, and the
attributes in one JSON text, the array `caffe-activations.json`.
"""

from __future__ import absolute_import, division, print_function

import argparse
import hashlib
import io
import json
import os
import sys
import zipfile
import zlib

import numpy as np

FORMAT = "caffe-activations/1"
STATISTICS = ("mean", "std", "min", "max", "l2")


class Refused(Exception):
    """What the user should be told, in one line."""


def text(value):
    """A name as text, whatever Python and protobuf make of it."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


# Caffe, whatever its age


def open_net(caffe, prototxt, caffemodel, phase, gpu):
    """The net: today's pycaffe takes the phase, that of 2014 is told it afterwards."""
    numbered = hasattr(caffe, "TEST")
    place = caffe if hasattr(caffe, "set_mode_cpu") else None
    if place is not None and gpu is None:
        place.set_mode_cpu()
    elif place is not None:
        place.set_device(gpu)
        place.set_mode_gpu()
    if numbered:
        return caffe.Net(str(prototxt), str(caffemodel), caffe.TRAIN if phase == "TRAIN" else caffe.TEST)
    net = caffe.Net(str(prototxt), str(caffemodel))
    if place is None:
        net.set_mode_cpu() if gpu is None else net.set_mode_gpu()
    net.set_phase_train() if phase == "TRAIN" else net.set_phase_test()
    return net


def describe(caffe, prototxt):
    """The net's name, and by layer its type, bottoms and tops, as the prototxt says them."""
    try:
        from google.protobuf import text_format

        message = caffe.proto.caffe_pb2.NetParameter()
        with io.open(prototxt, encoding="utf-8", errors="replace") as file:
            text_format.Merge(file.read(), message)
    except Exception:  # an old or odd protobuf: the net itself tells most of it
        return "", {}
    layers = list(message.layer) if hasattr(message, "layer") else []
    layers += list(message.layers)
    found = {}
    for layer in layers:
        kind = layer.type if not isinstance(layer.type, int) else ""
        found[text(layer.name)] = (text(kind), [text(b) for b in layer.bottom], [text(t) for t in layer.top])
    return text(message.name), found


def layers_of(net, described):
    """For each layer that runs: its name, type, bottoms and tops."""
    names = [text(n) for n in net._layer_names]
    blobs = [text(b) for b in net._blob_names] if hasattr(net, "_blob_names") else [text(b) for b in net.blobs]
    found = []
    for i, name in enumerate(names):
        kind, bottoms, tops = described.get(name, ("", [], []))
        if hasattr(net, "_top_ids"):
            bottoms, tops = [blobs[k] for k in net._bottom_ids(i)], [blobs[k] for k in net._top_ids(i)]
        elif hasattr(net, "top_names"):
            bottoms, tops = [text(b) for b in net.bottom_names[name]], [text(t) for t in net.top_names[name]]
        kind = text(getattr(net.layers[i], "type", "") or kind)
        found.append((name, kind, bottoms, tops))
    return found


def stepper(net, layers):
    """A function that runs layer i alone; None where this pycaffe cannot."""
    if hasattr(net, "_forward"):
        return lambda i: net._forward(i, i)
    try:
        arguments = net.forward.__code__.co_varnames
    except AttributeError:
        return None
    if "start" in arguments and "end" in arguments:
        return lambda i: net.forward(start=layers[i][0], end=layers[i][0])
    return None


# What the net is fed


def read_image(caffe, path, shape, mean, scale, rgb):
    """An image as Caffe's own examples make it: resized to the blob, BGR, 0 to 255, less the mean."""
    image = caffe.io.load_image(path, shape[1] == 3)
    image = caffe.io.resize_image(image, shape[2:])
    image = image.astype(np.float32).reshape(shape[2], shape[3], -1).transpose(2, 0, 1) * 255.0
    if len(image) == 3 and not rgb:
        image = image[::-1]
    if len(mean) not in (1, len(image)):
        raise Refused("--mean has %d values for %d channels" % (len(mean), len(image)))
    image = (image - np.array(mean, np.float32).reshape(-1, 1, 1)) * scale
    return np.repeat(image[None], shape[0], axis=0)


def feed(caffe, net, options):
    """Fill the net's inputs: from files, else with seeded noise from -128 to 128."""
    inputs = [text(b) for b in net.inputs]
    given = {}
    for word in options.input:
        blob, equals, path = word.partition("=")
        if not equals or (blob not in inputs and os.path.exists(word)):
            blob, path = inputs[0] if inputs else "", word
        if blob not in inputs:
            raise Refused('the net has no input "%s"; its inputs are %s' % (blob, ", ".join(inputs) or "none"))
        given[blob] = path
    draw = np.random.RandomState(options.seed)
    reshaped = False
    for blob in inputs:
        shape = tuple(net.blobs[blob].data.shape)
        noise = draw.uniform(-128, 128, shape).astype(np.float32)
        if blob not in given:
            values = noise
        elif given[blob].endswith(".npy"):
            values = np.load(given[blob])
        else:
            values = read_image(caffe, given[blob], shape, options.mean, options.scale, options.rgb)
        if values.shape != shape:
            if not hasattr(net.blobs[blob], "reshape"):
                raise Refused("%s has shape %s; this Caffe wants %s" % (given[blob], values.shape, shape))
            net.blobs[blob].reshape(*values.shape)
            reshaped = True
        net.blobs[blob].data[...] = values
    if reshaped and hasattr(net, "reshape"):
        net.reshape()
    return inputs


# What is written


def sample(array, samples, key):
    """Statistics of all values, and so many of them, at places drawn by the name of the layer and top."""
    wide = array.astype(np.float64).ravel()
    if wide.size <= samples:
        index = np.arange(wide.size)
    else:
        draw = np.random.RandomState(zlib.crc32(key.encode("utf-8")) & 0xFFFFFFFF)
        index = np.unique((draw.random_sample(samples) * wide.size).astype(np.int64))
    said = (0.0,) * 5
    if wide.size:
        said = (wide.mean(), wide.std(), wide.min(), wide.max(), np.sqrt(np.square(wide).sum()))
    attributes = dict(zip(STATISTICS, [float(s) for s in said]))
    attributes["shape"] = [int(d) for d in array.shape]
    return attributes, index.astype(np.int64), array.ravel()[index]


class Hdf5Writer(object):
    def __init__(self, path, h5py):
        try:  # the first layout holds no attribute over 64 kB; that of HDF5 1.8 does, and every HDF5 since reads it
            self.file = h5py.File(path, "w", libver=("v108", "v108"))
        except (KeyError, ValueError):  # an h5py that knows no other
            self.file = h5py.File(path, "w", libver="latest")
        self.inputs, self.layers = self.file.create_group("input"), self.file.create_group("layer")

    def attributes(self, said):
        for key, value in said.items():
            self.file.attrs[key] = value

    def input(self, blob, array):
        self.inputs.create_dataset(blob, data=array)

    def layer(self, number, said, tops):
        group = self.layers.create_group("%04d" % number)
        for key, value in said.items():
            group.attrs[key] = json.dumps(value) if isinstance(value, list) else value
        for i, (attributes, index, values) in enumerate(tops):
            if attributes is None:
                group.create_dataset("top%d" % i, data=values)
                continue
            top = group.create_group("top%d" % i)
            for key, value in attributes.items():
                top.attrs[key] = np.array(value, np.int64) if key == "shape" else value
            top.create_dataset("index", data=index)
            top.create_dataset("value", data=values)

    def close(self):
        self.file.close()


class NpzWriter(object):
    def __init__(self, path):
        self.file = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, True)
        self.said = {"inputs": [], "layers": []}

    def array(self, name, array):
        held = io.BytesIO()
        np.lib.format.write_array(held, np.ascontiguousarray(array))
        self.file.writestr(name + ".npy", held.getvalue())

    def attributes(self, said):
        self.said.update(said)

    def input(self, blob, array):
        self.said["inputs"].append(blob)
        self.array("input/" + blob, array)

    def layer(self, number, said, tops):
        self.said["layers"].append(dict(said, recorded=[attributes for attributes, _, _ in tops]))
        for i, (attributes, index, values) in enumerate(tops):
            name = "layer/%04d/top%d" % (number, i)
            if attributes is None:
                self.array(name, values)
            else:
                self.array(name + "/index", index)
                self.array(name + "/value", values)

    def close(self):
        held = np.frombuffer(json.dumps(self.said).encode("utf-8"), np.uint8)
        self.array("caffe-activations.json", held)
        self.file.close()


def open_writer(path, out):
    """HDF5 where h5py is there and OUT is no .npz. Returns the writer and the path that the dump gets."""
    try:
        import h5py
    except ImportError:
        h5py = None
    if out.endswith(".npz"):
        return NpzWriter(path), out
    if h5py is None:
        out = os.path.splitext(out)[0] + ".npz"
        print("no h5py here: writing %s" % out, file=sys.stderr)
        return NpzWriter(path), out
    return Hdf5Writer(path, h5py), out


def record(caffe, options, path):
    """Run the net and write the dump to `path`. Returns the path it should get, and how many layers it has."""
    for given in (options.prototxt, options.caffemodel):
        if not os.path.isfile(given):
            raise Refused("%s: no such file" % given)
    net = open_net(caffe, options.prototxt, options.caffemodel, options.phase, options.gpu)
    name, described = describe(caffe, options.prototxt)
    layers = layers_of(net, described)
    fed = feed(caffe, net, options)
    step = stepper(net, layers)
    last = {}
    if step is None:
        print("this pycaffe cannot run one layer alone: overwritten values are left out", file=sys.stderr)
        net.forward()
        last = dict((top, i) for i, layer in enumerate(layers) for top in layer[3])
    writer, out = open_writer(path, options.output)
    with io.open(options.prototxt, encoding="utf-8", errors="replace") as file:
        prototxt = file.read()
    said = {"format": FORMAT, "net": name, "phase": options.phase, "prototxt": prototxt}
    said["caffemodel_sha256"] = sha256(options.caffemodel)
    writer.attributes(said)
    for blob in fed:
        writer.input(blob, np.array(net.blobs[blob].data))
    number = 0
    for i, (layer, kind, bottoms, tops) in enumerate(layers):
        if step is not None:
            step(i)
        elif any(last[top] != i for top in tops):
            continue
        arrays = [np.array(net.blobs[top].data) for top in tops]
        for top, array in zip(tops, arrays):
            if not bottoms and top not in fed and kind not in ("Parameter", "DummyData"):
                fed.append(top)  # a data layer's
                writer.input(top, array)
        if kind == "Split" or (not bottoms and all(top in fed for top in tops)):
            continue  # copies, and what is under input/ already
        held = [(None, None, a) for a in arrays]
        if options.samples:
            held = [sample(a, options.samples, "%s/%d" % (layer, k)) for k, a in enumerate(arrays)]
        writer.layer(number, {"name": layer, "type": kind, "bottoms": bottoms, "tops": tops}, held)
        number += 1
        if sys.stderr.isatty():
            sys.stderr.write("\r%d of %d layers\033[K" % (i + 1, len(layers)))
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    writer.close()
    return out, number


def sha256(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            found.update(piece)
    return found.hexdigest()


def numbers(word):
    return [float(part) for part in word.split(",")]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Record what every layer of a net makes, in the real Caffe, for caffe2py verify --against DUMP."
    )
    parser.add_argument("prototxt")
    parser.add_argument("caffemodel")
    parser.add_argument("-o", "--output", required=True, metavar="DUMP", help="DUMP.h5, or DUMP.npz")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[BLOB=]FILE",
        help="an image or .npy for an input; may be repeated; seeded noise for those without",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the noise (1)")
    parser.add_argument("--mean", type=numbers, default=[0.0], metavar="B,G,R", help="subtracted from an image (0)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor after the mean is subtracted (1)")
    parser.add_argument("--rgb", action="store_true", help="feed an image as RGB, not BGR")
    parser.add_argument("--samples", type=int, metavar="K", help="keep K values of each top, and statistics of all")
    parser.add_argument("--phase", choices=["TEST", "TRAIN"], default="TEST", help="(TEST)")
    parser.add_argument("--gpu", type=int, metavar="ID", help="run on this GPU, not the CPU")
    options = parser.parse_args(arguments)
    if options.samples is not None and options.samples < 1:
        parser.error("--samples wants at least 1")
    temporary = options.output + ".part"
    try:
        try:
            import caffe
        except ImportError as error:
            raise Refused("no pycaffe here (%s); put CAFFE/python on PYTHONPATH" % error)
        out, layers = record(caffe, options, temporary)
        if os.path.exists(out):
            os.remove(out)  # os.rename on Windows replaces nothing
        os.rename(temporary, out)
    except Refused as refused:
        print("error: %s" % refused, file=sys.stderr)
        return 1
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    print("wrote %s: %d layers, %d bytes" % (out, layers, os.path.getsize(out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
