"""MultiStageMeanfield: the layer of CRF-RNN, a conditional random field over the pixels of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe2py.layers.base import (
    Builder,
    Emitter,
    Handle,
    Layer,
    Misfit,
    Params,
    Shape,
    Term,
    count,
    layer,
    param,
    read_fields,
    text,
)
from caffe2py.layers.vision.crf.lattice import Lattice

FLOAT16 = 65536.0  # no number of float16 is as large
BLOBS = ("spatial", "bilateral", "compatibility")

# What the blobs of a net without weights are made of, which code runs, and a word that is not used.
UNHEEDED = (
    "compatibility_mode spatial_filter_weight bilateral_filter_weight spatial_filter_weights_str "
    "bilateral_filter_weights_str force_cpu threshold"
).split()


@layer("MultiStageMeanfield", bottoms=3, fork="CRF-RNN", formula=True)
class MultiStageMeanfield(Layer):
    """top = unary - compatibility (spatial F q + bilateral G q), q the softmax of the top of the step before.

    unary and start (N, C, H, W), of which start is the top before the first of num_iterations steps; image (N, 3 or
    more, H, W), of which the first three channels count. F and G are means over all pixels, by a Gaussian of the
    distance, over theta_gamma pixels, and by one of the distance, over theta_alpha pixels, and the difference of
    colour, over theta_beta; both as the permutohedral lattice says them: a pixel's value goes to the corners of the
    simplex that it lies in, by its barycentric coordinates, is blurred by (1/2, 1, 1/2) along each direction of the
    lattice, among the points that pixels have reached, and comes back by the same coordinates, divided by what becomes
    of 1. Blobs (1, 1, C, C): spatial, bilateral, compatibility. The gradient is that of unary, start and the blobs.
    The formula of Zheng et al. 2015 and of Adams et al. 2010; from multi_stage_meanfield.cpp and
    modified_permutohedral.cpp of torrvision/crfasrnn, which nobody ran for a record.
    """

    stepwise = True
    num_iterations: int = param("multi_stage_meanfield_param.num_iterations", 0)
    theta_alpha: float = param("multi_stage_meanfield_param.theta_alpha", 0.0)
    theta_beta: float = param("multi_stage_meanfield_param.theta_beta", 0.0)
    theta_gamma: float = param("multi_stage_meanfield_param.theta_gamma", 0.0)

    @classmethod
    def read(cls, params: Params) -> Layer:
        for word in UNHEEDED:
            params.has(f"multi_stage_meanfield_param.{word}")
        return cls(**read_fields(cls, params))

    def shapes(self, unary: Shape, start: Shape, image: Shape) -> Sequence[Shape]:
        if len(unary) != 4 or start != unary:
            raise Misfit(f"has bottoms of shape {text(unary)} and {text(start)}; want both (N, C, H, W)")
        if len(image) != 4 or image[0] != unary[0] or image[1] < 3 or image[2:] != unary[2:]:
            raise Misfit(f"has an image of shape {text(image)} for scores {text(unary)}; want (N, 3, H, W)")
        if self.num_iterations < 2:
            raise Misfit(f"num_iterations is {self.num_iterations}; want 2 at least")
        if min(self.theta_alpha, self.theta_beta, self.theta_gamma) <= 0:
            raise Misfit("has a theta_alpha, theta_beta or theta_gamma that is not above 0")
        return [unary]

    def weights(self, unary: Shape, *others: Shape) -> Mapping[str, Shape]:
        return dict.fromkeys(BLOBS, (1, 1, unary[1], unary[1]))

    def torch(self, em: Emitter, *bottoms: Term) -> str:
        blobs = (f"{name}={em.parameter(i)}" for i, name in enumerate(BLOBS))
        thetas = {"alpha": self.theta_alpha, "beta": self.theta_beta, "gamma": self.theta_gamma}
        return em.call("mean_field", *bottoms, *blobs, steps=self.num_iterations, **thetas)

    def onnx(self, g: Builder, unary: Handle, start: Handle, image: Handle) -> Handle:
        import numpy as np  # here, so that a net can be shown without it

        if g.lowest > -FLOAT16:
            raise Misfit("counts the points of a lattice, which float16 cannot; want float32")
        n, c, high, wide = unary.shape
        y, x = np.divmod(np.arange(high * wide), wide)
        place = np.stack([x, y], 1).astype(np.float32)
        colour = g.transpose(g.slice(image, 1, 0, 3), (0, 2, 3, 1))
        colour = g.op("Div", g.reshape(colour, (n, high * wide, 3)), self.theta_beta)

        def each(theta: float) -> Handle:
            """The places of an image's pixels, the same for every image."""
            shape = (n, high * wide, 2)
            return g.op("Expand", g.constant(place[None] / np.float32(theta), "places"), g.shape(shape), shape=shape)

        places, near = each(self.theta_alpha), Lattice(g, each(self.theta_gamma))
        alike = Lattice(g, g.concat([places, colour], 2))
        across, back = (n * (high * wide), c), (n, high, wide, c)
        q = start
        for _ in range(self.num_iterations):
            share = g.reshape(g.transpose(g.softmax(q, 1), (0, 2, 3, 1)), across)
            parts = [
                g.op("MatMul", lattice.mean(share), g.transpose(g.weight(i, (c, c)), (1, 0)), shape=across)
                for i, lattice in enumerate((near, alike))
            ]
            pairs = g.op("MatMul", g.op("Add", *parts), g.transpose(g.weight(2, (c, c)), (1, 0)), shape=across)
            q = g.op("Sub", unary, g.transpose(g.reshape(pairs, back), (0, 3, 1, 2)))
        return q

    def multiply_adds(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        classes = bottoms[0][1]
        return self.num_iterations * count(tops[0]) * (3 * classes + 2 * (3 + 6))
