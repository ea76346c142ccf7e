"""Runs nets in the pycaffe that is imported as `caffe`: python worker.py NETS RESULTS

NETS holds NAME.prototxt and NAME.npz, the inputs; RESULTS gets NAME.npz, outputs and gradients, or NAME.refused, a
message. A net that makes Caffe abort takes this process with it: whoever started it goes on behind that net. This file
stands alone, for the interpreter of a real Caffe: it needs numpy and caffe. Weights and top gradients are drawn from
the number in the net's name, so that every Caffe gets the same.
"""

import os
import sys
import zlib

import numpy as np

os.environ.setdefault("GLOG_minloglevel", "2")


def run(caffe, prototxt, inputs, target):
    draw = np.random.RandomState(zlib.crc32(os.path.basename(prototxt).encode()))
    net = caffe.Net(prototxt, caffe.TEST)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = draw.uniform(0.5, 1.5, blob.data.shape)
    for name, values in inputs.items():
        net.blobs[name].data[...] = values
    net.forward()
    found = {"out:" + name: np.array(net.blobs[name].data) for name in net.outputs}
    np.savez(target, **found)
    loss = net.blob_loss_weights
    for name in net.outputs:
        if not loss[name]:
            net.blobs[name].diff[...] = draw.uniform(-1, 1, net.blobs[name].data.shape)
    net.backward()
    for name in inputs:
        found["diff:" + name] = np.array(net.blobs[name].diff)
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            found["diff:" + layer + ":" + str(i)] = np.array(blob.diff)
    found["backward"] = np.ones(())
    np.savez(target, **found)


def main():
    nets, results = sys.argv[1:]
    import caffe

    for name in sorted(n[: -len(".prototxt")] for n in os.listdir(nets) if n.endswith(".prototxt")):
        target = os.path.join(results, name)
        if any(os.path.exists(target + end) for end in (".npz", ".refused", ".began")):
            continue
        open(target + ".began", "w").close()
        try:
            with np.load(os.path.join(nets, name + ".npz")) as held:
                inputs = {key: held[key] for key in held.files}
            run(caffe, os.path.join(nets, name + ".prototxt"), inputs, target + ".npz")
        except Exception as error:  # the message is the result
            with open(target + ".refused", "w") as file:
                file.write(str(error))
        os.remove(target + ".began")


if __name__ == "__main__":
    main()
