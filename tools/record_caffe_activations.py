#!/usr/bin/env python
"""Record what every layer of a net makes, in the real Caffe, for `caffe2py verify --against DUMP`.

One file to copy to wherever a Caffe still runs: any pycaffe from 2014 on, Python 2.7 or 3, numpy; h5py if it is there,
and for images Pillow, OpenCV or scikit-image.

    python record_caffe_activations.py net.prototxt net.caffemodel -o dump.h5 --input cat.jpg --mean 104,117,123
    python record_caffe_activations.py net.prototxt net.caffemodel -o dump.h5 --input data=x.npy --samples 256
    python record_caffe_activations.py net.prototxt net.caffemodel -o dump.npz --seed 1

The net runs layer by layer, and each top is read right after its layer, so that values that a later layer overwrites in
place are recorded too. Where Caffe would end the process, what it is given is looked at before: an error is one line,
and the exit status 1. What is written is `caffe-activations/1`: HDF5 with attributes format, net, phase, prototxt,
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
import re
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


def refuse(what, *values):
    raise Refused(what % values)


# Caffe, whatever its age


PACKAGES = {"skimage": "scikit-image", "google": "protobuf", "PIL": "Pillow", "yaml": "PyYAML", "cv2": "opencv-python"}


def import_caffe():
    """The module caffe, without the thousands of lines that it logs where nothing else is asked for."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        import caffe
    except Exception as error:
        missing = re.findall(r"No module named '?([\w.]+)", str(error)) or [getattr(error, "name", None) or ""]
        root = missing[0].split(".")[0]
        if missing[0] == "caffe":
            refuse("no pycaffe here (%s); put CAFFE/python on PYTHONPATH", error)
        if isinstance(error, ImportError) and root and root not in ("caffe", "_caffe"):
            package = PACKAGES.get(root, root)
            refuse("pycaffe is here, and needs %s, which is not (%s); pip install %s", package, error, package)
        python = "Python %d.%d at %s" % (sys.version_info[0], sys.version_info[1], sys.executable)
        refuse("pycaffe does not load in %s (%s: %s); run what it was built for", python, type(error).__name__, error)
    if not hasattr(caffe, "Net"):
        refuse("what is called caffe here is no pycaffe (%s); put CAFFE/python on PYTHONPATH", caffe)
    return caffe


def open_net(caffe, options):
    """The net: today's pycaffe takes the phase, that of 2014 is told it afterwards."""
    numbered = hasattr(caffe, "TEST")
    place = caffe if hasattr(caffe, "set_mode_cpu") else None
    if place is not None and options.gpu is None:
        place.set_mode_cpu()
    elif place is not None:
        if not runs_on_gpu(place, options.gpu):
            refuse("this Caffe cannot run on GPU %d; leave --gpu away to run on the CPU", options.gpu)
        place.set_device(options.gpu)
        place.set_mode_gpu()
    train = options.phase == "TRAIN"
    files = str(options.prototxt), str(options.caffemodel)
    if options.stage or options.level:
        choice = {"level": options.level, "stages": [str(s) for s in options.stage], "weights": files[1]}
        try:
            return caffe.Net(files[0], caffe.TRAIN if train else caffe.TEST, **choice)
        except (AttributeError, TypeError):
            refuse("this pycaffe takes no --stage and no --level: it is older than 2016")
    if numbered:
        return caffe.Net(files[0], files[1], caffe.TRAIN if train else caffe.TEST)
    net = caffe.Net(*files)
    if place is None:
        net.set_mode_cpu() if options.gpu is None else net.set_mode_gpu()
    net.set_phase_train() if train else net.set_phase_test()
    return net


def runs_on_gpu(place, gpu):
    """Tried in a process of its own, for Caffe ends the one in which it finds no GPU."""
    if not hasattr(os, "fork"):
        return True
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        place.set_device(gpu)
        place.set_mode_gpu()
        os._exit(0)
    finally:
        os._exit(1)


def describe(caffe, prototxt):
    """The prototxt as a message: its layers say what the net itself may not tell. None where protobuf is odd or old."""
    try:
        from google.protobuf import text_format

        message, broken = caffe.proto.caffe_pb2.NetParameter(), text_format.ParseError
    except Exception:
        return None
    try:
        text_format.Merge(read_text(prototxt), message)
    except broken as error:
        refuse("%s: not a net that this Caffe reads: %s", prototxt, error)
    return message


def layers_said(message):
    """The layers of a message, in the format of today or of 2014; none where there is no message."""
    return [] if message is None else list(getattr(message, "layer", [])) + list(message.layers)


def described(message):
    """By layer its type, bottoms and tops, as the prototxt says them."""
    return dict(
        (text(one.name), ("" if isinstance(one.type, int) else text(one.type), texts(one.bottom), texts(one.top)))
        for one in layers_said(message)
    )


def texts(names):
    return [text(name) for name in names]


def read_text(path):
    with io.open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def layers_of(net, known):
    """For each layer that runs: its name, type, bottoms and tops."""
    names = [text(n) for n in net._layer_names]
    blobs = [text(b) for b in net._blob_names] if hasattr(net, "_blob_names") else [text(b) for b in net.blobs]
    found = []
    for i, name in enumerate(names):
        kind, bottoms, tops = known.get(name, ("", [], []))
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


# What it is given, looked at before


def check(options):
    """Refuse what Caffe would end the process for, or would find out after the run."""
    folder = os.path.dirname(options.output) or "."
    if os.path.splitext(options.output)[1] not in (".h5", ".hdf5", ".npz"):
        refuse("%s: a dump is an .h5 or an .npz; want one of these suffixes", options.output)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        refuse("%s: there is no folder %s to write to", options.output, folder)
    if os.path.isdir(options.output):
        refuse("%s: a folder; want the name of a file", options.output)
    for path in (options.prototxt, options.caffemodel):
        if os.path.realpath(path) == os.path.realpath(options.output):
            refuse("%s: is read too; want another name for the dump", options.output)
        if not os.path.isfile(path):
            refuse("%s: %s", path, "a folder" if os.path.isdir(path) else "no such file")
        try:
            with open(path, "rb") as file:
                if not file.read(1):
                    refuse("%s: empty", path)
        except (IOError, OSError) as error:
            refuse("%s: %s", path, error.strerror)
    said = is_text(options.prototxt), is_text(options.caffemodel)
    if said == (False, True):
        said = "%s is text and %s is not: want NET.prototxt first, then NET.caffemodel"
        refuse(said, options.caffemodel, options.prototxt)
    if not said[0]:
        refuse("%s: not text; want a prototxt", options.prototxt)
    if said[1]:
        refuse("%s: text; want a caffemodel", options.caffemodel)
    if not 0 <= options.seed < 1 << 32:
        refuse("--seed %d: want 0 to 4294967295", options.seed)
    if options.gpu is not None and options.gpu < 0:
        refuse("--gpu %d: want 0 or more", options.gpu)


def is_text(path):
    with open(path, "rb") as file:
        head = bytearray(file.read(4096))
    return not any(c < 32 and c not in (9, 10, 12, 13) for c in head)


def blobs_in(path):
    """How many blobs each layer of a caffemodel has; None where that cannot be told."""
    with open(path, "rb") as file:
        if file.read(8) == b"\x89HDF\r\n\x1a\n":
            return blobs_in_hdf5(path)
        found = {}
        try:
            for number, start, end in fields(file, 0, os.path.getsize(path)):
                if number in (2, 100):  # layers of the formats of 2014, and of today
                    name, blobs = layer_in(file, start, end, (1, 7) if number == 100 else (4, 6))
                    found[name] = found.get(name, 0) + blobs
        except ValueError as error:
            refuse("%s: not a caffemodel: %s", path, error)
    if not found:
        refuse("%s: not a caffemodel: there is no layer in it", path)
    return found


def layer_in(file, start, end, numbers):
    name, blobs = "", 0
    for number, first, last in fields(file, start, end):
        if number == numbers[0]:
            file.seek(first)
            name = text(file.read(last - first))
        elif number == numbers[1]:
            blobs += 1
        elif number == 1 and numbers == (4, 6):  # a layer of 2013 within
            name, blobs = layer_in(file, first, last, (1, 50))
    return name, blobs


def fields(file, start, end):
    """Of a protobuf message the number of each field of bytes, and where these start and end."""
    while start < end:
        file.seek(start)
        key, size = varint(file), 0
        if key & 7 == 0:
            varint(file)
        elif key & 7 == 2:
            size = varint(file)
        elif key & 7 in (1, 5):
            size = 8 if key & 7 == 1 else 4
        else:
            raise ValueError("byte %d starts no field" % start)
        first = file.tell()
        start = first + size
        if start > end:
            raise ValueError("it ends in the middle of a field")
        if key & 7 == 2:
            yield key >> 3, first, start


def varint(file):
    value = shift = 0
    while shift < 64:
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends in the middle of a field")
        value |= (ord(byte) & 127) << shift
        if ord(byte) < 128:
            return value
        shift += 7
    raise ValueError("a number of more than 64 bits")


def blobs_in_hdf5(path):
    try:
        import h5py

        with h5py.File(path, "r") as file:
            return dict((text(name), len(layer)) for name, layer in file["data"].items())
    except ImportError:
        return None
    except Exception as error:
        refuse("%s: not a caffemodel: %s", path, error)


def count_weights(net, found, path):
    """How many layers with weights took them from the file, and of how many; refused where none did."""
    if found is None or not hasattr(net, "params"):
        return None
    wanted = [text(name) for name in net.params]
    missed = [name for name in wanted if not found.get(name)]
    if wanted and len(missed) == len(wanted):
        refuse("%s: none of the %d layers with weights is in it; want the weights of this net", path, len(wanted))
    if missed:
        names = ", ".join(missed[:4]) + (", ..." if len(missed) > 4 else "")
        share = "%d of %d" % (len(missed), len(wanted))
        warn("%s layers with weights are not in %s and keep what fills them: %s", share, path, names)
    return "weights of %d of %d layers" % (len(wanted) - len(missed), len(wanted))


def warn(what, *values):
    print("warning: " + one_line(what % values), file=sys.stderr)


def one_line(said):
    return " ".join(said.split())


# Images, as pycaffe makes them


def read_pixels(path):
    """The image as it is stored: (height, width) of gray, or with 3 or 4 channels in the order RGB."""
    for read in (read_by_pillow, read_by_opencv, read_by_skimage):
        try:
            return read(path)
        except ImportError:
            continue
        except Exception as error:
            refuse("%s: cannot be read as an image (%s)", path, error)
    refuse("%s: nothing here reads images; pip install Pillow", path)


def read_by_pillow(path):
    from PIL import Image

    with open(path, "rb") as file:
        image = Image.open(file)
        if image.mode in ("P", "PA", "LA"):
            clear = image.mode != "P" or "transparency" in image.info
            image = image.convert("RGBA" if clear else "RGB")
        elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            image = image.convert("RGB")
        return np.array(image)


def read_by_opencv(path):
    import cv2

    pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)  # as it is stored: not turned as a camera says
    if pixels is None:
        raise ValueError("OpenCV knows no such image")
    return pixels if pixels.ndim == 2 else np.concatenate([pixels[:, :, 2::-1], pixels[:, :, 3:]], axis=2)


def read_by_skimage(path):
    import skimage.io

    return np.asarray(skimage.io.imread(path))


def read_image(path, shape, mean, scale, rgb):
    """An image as Caffe's own examples make it: resized to the blob, BGR, 0 to 255, less the mean."""
    if len(shape) != 4 or shape[1] not in (1, 3):
        refuse("%s: an input of shape %s takes no image; want a .npy", path, shape)
    pixels = read_pixels(path)
    largest = {"b": 1.0, "f": 1.0}.get(pixels.dtype.kind, 255.0 if pixels.dtype.itemsize == 1 else 65535.0)
    image = pixels.astype(np.float64) / largest
    if image.ndim == 2:
        image = image[:, :, None].repeat(shape[1], axis=2)
    elif shape[1] == 1:
        if image.shape[2] == 4:
            image = image[:, :, :3] * image[:, :, 3:] + (1 - image[:, :, 3:])  # over white
        image = image.dot([0.2125, 0.7154, 0.0721])[:, :, None]
    image = resize(image[:, :, :3].astype(np.float32), shape[2], shape[3])
    image = image.astype(np.float32).transpose(2, 0, 1) * np.float32(255)
    if len(image) == 3 and not rgb:
        image = image[::-1]
    if len(mean) not in (1, len(image)):
        refuse("--mean has %d values for %d channels", len(mean), len(image))
    image = (image - np.array(mean, np.float32).reshape(-1, 1, 1)) * scale
    return np.repeat(image[None], shape[0], axis=0)


def resize(image, height, width):
    """As scikit-image's `resize` of order 1, which pycaffe calls: smoothed before it is made smaller, 0 outside."""
    low, high = float(image.min()), float(image.max())
    if not high > low:
        return np.zeros((height, width, image.shape[2])) + low
    even = (image.astype(np.float64) - low) / (high - low)
    made = np.tensordot(resizing(even.shape[0], height), even, (1, 0))
    made = np.tensordot(resizing(even.shape[1], width), made, (1, 1)).transpose(1, 0, 2)
    return np.clip(made, 0, 1) * (high - low) + low


def resizing(old, new):
    """One axis of it as a matrix (new, old)."""
    sigma = max(0.0, (float(old) / new - 1) / 2)
    places = np.arange(old)
    matrix = np.identity(old)
    if sigma:
        radius = int(4 * sigma + 0.5)
        weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma))
        apart = places[:, None] - places
        near = np.abs(apart) <= radius
        matrix = np.where(near, weights[np.clip(apart + radius, 0, 2 * radius)] / weights.sum(), 0)
    at = (np.arange(new) + 0.5) * old / new - 0.5
    return np.maximum(0, 1 - np.abs(at[:, None] - places)).dot(matrix)


# What the net is fed


# Layers by the bottom that holds one of so many whole numbers: classes, rows, or 0 and 1. Names without "_", small.
CLASSES = ("softmaxwithloss", "softmaxloss", "accuracy", "multinomiallogisticloss", "infogainloss", "hingeloss")
FLAGS = {"contrastiveloss": 2, "filter": -1, "sigmoidcrossentropyloss": 1, "lstm": 1, "rnn": 1}
VALUES = ("eltwise", "concat", "scale", "bias", "axpy", "euclideanloss", "crop", "silence", "innerproduct", "reshape")


def meaning(blob, message, net):
    """How many whole numbers from 0 on an input may be, 0 for any number; and a layer that may want something else."""
    odd = ""
    for layer in layers_said(message):
        bottoms, kind = texts(layer.bottom), layer.type
        if blob not in bottoms:
            continue
        if isinstance(kind, int):  # of the format of 2014: SOFTMAX_LOSS
            kind = layer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[kind].name
        kind, at = text(kind).replace("_", "").lower(), bottoms.index(blob)
        if kind in CLASSES and at == 1:
            return net.blobs[bottoms[0]].data.shape[class_axis(layer)], ""
        if kind == "embed":
            return int(layer.embed_param.input_dim), ""
        if kind == "batchreindex" and at == 1:
            return net.blobs[bottoms[0]].data.shape[0], ""
        if kind in FLAGS and at == FLAGS[kind] % len(bottoms):
            return 2, ""
        if at and kind not in VALUES and kind not in FLAGS:
            odd = text(layer.name)
    return 0, odd


def class_axis(layer):
    for key in ("softmax_param", "accuracy_param", "infogain_loss_param"):
        said = getattr(layer, key, None)
        if said is not None and layer.HasField(key) and hasattr(said, "axis"):
            return said.axis
    return 1


def read_array(path, shape):
    """A .npy that the net can take: of as many axes, and of as many channels."""
    try:
        values = np.load(path, mmap_mode="r")
        shape_, kind = values.shape, values.dtype.kind
    except Exception as error:
        refuse("%s: cannot be read as .npy (%s)", path, error)
    wanted = "(%s)" % ", ".join(["N"] + [str(d) for d in shape[1:]])
    if kind not in "fiub":
        refuse("%s: holds %s; want numbers", path, values.dtype)
    if shape_ == shape[1:]:
        refuse("%s: has shape %s, without the axis of the batch; want %s, by x[None]", path, shape_, wanted)
    fixed = (1,) if len(shape) in (2, 4) else ()
    if len(shape_) != len(shape) or 0 in shape_ or any(shape_[k] != shape[k] for k in fixed):
        refuse("%s: has shape %s; the net wants %s", path, shape_, wanted)
    return np.asarray(values, np.float32)


def files_for(inputs, words):
    """The file of each input that is given one: BLOB=FILE, or FILE for the first."""
    found = {}
    for word in words:
        blob, equals, path = word.partition("=")
        if not equals or (blob not in inputs and os.path.exists(word)):
            blob, path = inputs[0] if inputs else "", word
        if not inputs:
            refuse("--input %s: the net has no inputs, its data layers read files of their own", word)
        if blob not in inputs:
            refuse('the net has no input "%s"; its inputs are %s', blob, ", ".join(inputs))
        if blob in found:
            refuse('two files for input "%s": %s and %s', blob, found[blob], path)
        if not os.path.isfile(path):
            refuse("%s: %s", path, "a folder" if os.path.isdir(path) else "no such file")
        found[blob] = path
    return found


def feed(net, options, message):
    """Fill the net's inputs: from files, else with seeded noise from -128 to 128, or whole numbers that it can take."""
    inputs = [text(b) for b in net.inputs]
    files = files_for(inputs, options.input)
    draw = np.random.RandomState(options.seed)
    shapes = dict((blob, tuple(net.blobs[blob].data.shape)) for blob in inputs)
    values, batches = {}, {}
    for blob, path in files.items():
        if path.endswith(".npy"):
            values[blob] = read_array(path, shapes[blob])
            batches[shapes[blob][0]] = values[blob].shape[0]
        else:
            values[blob] = read_image(path, shapes[blob], options.mean, options.scale, options.rgb)
    reshaped = False
    for blob in inputs:
        shape = shapes[blob]
        if blob not in values:
            wanted = tuple(batches.get(d, d) if k == 0 else d for k, d in enumerate(shape))
            count, odd = meaning(blob, message, net)
            values[blob] = draw.randint(0, count, wanted) if count else draw.uniform(-128, 128, wanted)
            if odd:
                warn(
                    'noise for input "%s", of which layer "%s" may want something else; --input %s=FILE',
                    blob,
                    odd,
                    blob,
                )
        if values[blob].shape != shape:
            if not hasattr(net.blobs[blob], "reshape"):
                refuse("%s has shape %s; this Caffe wants %s", files.get(blob, blob), values[blob].shape, shape)
            net.blobs[blob].reshape(*values[blob].shape)
            reshaped = True
        net.blobs[blob].data[...] = values[blob]
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
    """Run the net and write the dump to `path`. Returns the path it should get, and what is in it."""
    message = describe(caffe, options.prototxt)
    found = blobs_in(options.caffemodel)
    net = open_net(caffe, options)
    taken = count_weights(net, found, options.caffemodel)
    layers = layers_of(net, described(message))
    fed = feed(net, options, message)
    step = stepper(net, layers)
    last = {}
    if step is None:
        print("this pycaffe cannot run one layer alone: overwritten values are left out", file=sys.stderr)
        net.forward()
        last = dict((top, i) for i, layer in enumerate(layers) for top in layer[3])
    writer, out = open_writer(path, options.output)
    name = "" if message is None else text(message.name)
    said = {"format": FORMAT, "net": name, "phase": options.phase, "prototxt": read_text(options.prototxt)}
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
    layers = "1 layer" if number == 1 else "%d layers" % number
    return out, layers + (", " + taken if taken else "")


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
    parser.add_argument("--stage", action="append", default=[], metavar="NAME", help="a stage; may be repeated")
    parser.add_argument("--level", type=int, default=0, help="(0)")
    parser.add_argument("--gpu", type=int, metavar="ID", help="run on this GPU, not the CPU")
    options = parser.parse_args(arguments)
    if options.samples is not None and options.samples < 1:
        parser.error("--samples wants at least 1")
    temporary = options.output + ".part"
    try:
        check(options)
        out, said = record(import_caffe(), options, temporary)
        if os.path.exists(out):
            os.remove(out)  # os.rename on Windows replaces nothing
        os.rename(temporary, out)
    except Refused as refused:
        print("error: " + one_line(str(refused)), file=sys.stderr)
        return 1
    except Exception as error:
        print("error: " + one_line("%s: %s" % (type(error).__name__, error)), file=sys.stderr)
        return 1
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    print("wrote %s: %s, %d bytes" % (out, said, os.path.getsize(out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
