"""Fillers: the formulas where they have one, else the statistics of many draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

import caffe2py
from caffe2py.errors import CaffeError
from caffe2py.graph.fillers import fill_weights
from caffe2py.layers.base import Filler, Layer, Shape, layer, layer_types, registry
from caffe2py.layers.base.filler import FillerParameter
from tests.helpers.nets import graph_of

SHAPE = (60, 20, 5, 7)  # fan in 700, fan out 2100
DRAWS = math.prod(SHAPE)


def draw(shape: tuple[int, ...] = SHAPE, **fields: object) -> np.ndarray:
    return FillerParameter(**fields).array(shape, np.random.default_rng(3))  # type: ignore[arg-type]


def test_constant() -> None:
    np.testing.assert_array_equal(draw(value=0.25), np.full(SHAPE, 0.25, np.float32))
    np.testing.assert_array_equal(draw(()), np.float32(0))


@pytest.mark.parametrize(
    ("fields", "bound"),
    [
        ({"type": "xavier"}, math.sqrt(3 / 700)),
        ({"type": "xavier", "variance_norm": "FAN_OUT"}, math.sqrt(3 / 2100)),
        ({"type": "xavier", "variance_norm": "AVERAGE"}, math.sqrt(3 / 1400)),
        ({"type": "uniform", "min": -0.5, "max": 0.5}, 0.5),
    ],
)
def test_uniform_within_its_bounds(fields: dict[str, object], bound: float) -> None:
    values = draw(**fields)
    assert values.dtype == np.float32 and values.shape == SHAPE
    # Of 42000 draws the largest is within 0.1 % of the bound, but for one time in 10^18.
    assert 0.999 * bound < values.max() <= bound and -bound <= values.min() < -0.999 * bound
    assert abs(values.mean()) < 5 * bound / math.sqrt(3 * DRAWS)  # five deviations of the mean


def test_uniform_by_default_is_0_to_1() -> None:
    values = draw(type="uniform")
    assert 0 <= values.min() < 0.001 and 0.999 < values.max() <= 1


@pytest.mark.parametrize(
    ("fields", "mean", "std"),
    [
        ({"type": "gaussian", "mean": 2.0, "std": 0.5}, 2.0, 0.5),
        ({"type": "gaussian"}, 0.0, 1.0),
        ({"type": "msra"}, 0.0, math.sqrt(2 / 700)),
        ({"type": "msra", "variance_norm": "FAN_OUT"}, 0.0, math.sqrt(2 / 2100)),
        ({"type": "msra", "variance_norm": "AVERAGE"}, 0.0, math.sqrt(2 / 1400)),
    ],
)
def test_normal(fields: dict[str, object], mean: float, std: float) -> None:
    values = draw(**fields).astype(np.float64)
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(DRAWS)
    assert abs(values.std() - std) < 5 * std / math.sqrt(2 * DRAWS)
    within = np.mean(np.abs(values - mean) < std)
    assert abs(within - 0.6827) < 0.012  # the share within one deviation, give or take five of its own


def test_one_axis_has_one_fan() -> None:
    """A vector of n: one input for each output, n outputs of one input."""
    assert abs(draw((900,), type="xavier")).max() > 1.7
    assert abs(draw((900,), type="xavier", variance_norm="FAN_OUT")).max() <= math.sqrt(3 / 900)


def test_sparse_keeps_a_share() -> None:
    values = draw((50, 4000), type="gaussian", sparse=10)
    assert abs(np.mean(values != 0) - 10 / 50) < 5 * math.sqrt(0.2 * 0.8 / 200000)
    assert not draw(type="gaussian", sparse=0).any()


def test_positive_unitball_rows_sum_to_1() -> None:
    values = draw(type="positive_unitball")
    assert values.min() >= 0
    np.testing.assert_allclose(values.reshape(60, -1).sum(1, dtype=np.float64), 1, rtol=1e-6)  # 700 float32 terms


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (1, [1]),
        (2, [0.5, 0.5]),
        (3, [0.5, 1, 0.5]),
        (4, [0.25, 0.75, 0.75, 0.25]),
        (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]),
    ],
)
def test_bilinear(size: int, line: list[float]) -> None:
    values = draw((2, 3, size, size), type="bilinear")
    np.testing.assert_allclose(values, np.broadcast_to(np.outer(line, line), values.shape), rtol=1e-6)  # float32


def test_bilinear_deconvolution_interpolates() -> None:
    graph = graph_of(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 5 } } }'
        'layer { name: "up" type: "Deconvolution" bottom: "x" top: "y" convolution_param { num_output: 1 '
        'kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: "bilinear" } } }'
    )
    h, w = np.mgrid[0:4, 0:5].astype(np.float32)
    y = caffe2py.run(fill_weights(graph, 0), {"x": (h + 10 * w)[None, None]})["y"][0, 0]
    rows, columns = np.arange(8) / 2 - 0.25, np.arange(10) / 2 - 0.25
    np.testing.assert_allclose(y[1:-1, 1:-1], (rows[:, None] + 10 * columns)[1:-1, 1:-1], rtol=1e-5)  # float32 sums


# Which blob has which filler

FILLER = '{ type: "constant" value: %s }'
LAYERS = [
    ("InnerProduct", "inner_product_param { num_output: 2 %s }", {"weight": 0, "bias": 0}),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 %s }", {"weight": 0, "bias": 0}),
    ("Deconvolution", "convolution_param { num_output: 2 kernel_size: 1 %s }", {"weight": 0, "bias": 0}),
    ("Embed", "embed_param { num_output: 2 input_dim: 3 %s }", {"weight": 0, "bias": 0}),
    ("Scale", "scale_param { bias_term: true %s }", {"": 1, "bias": 0}),
    ("Bias", "bias_param { %s }", {"": 0}),
    ("PReLU", "prelu_param { %s }", {"": 0.25}),
]


@pytest.mark.parametrize(("type_", "params", "defaults"), LAYERS, ids=[row[0] for row in LAYERS])
def test_layers_fill_their_blobs(type_: str, params: str, defaults: dict[str, float]) -> None:
    def values(words: str) -> list[float]:
        graph = graph_of(
            'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }'
            f'layer {{ name: "y" type: "{type_}" bottom: "x" top: "y" {params % words} }}'
        )
        return [float(w.data.reshape(-1)[0]) for w in fill_weights(graph, 1).node("y").weights]

    assert values("") == list(defaults.values())
    for i, word in enumerate(defaults):
        field = f"{word}_filler" if word else "filler"
        expected = [7.0 if i == j else default for j, default in enumerate(defaults.values())]
        assert values(f"{field} {FILLER % 7}") == expected


def test_a_custom_layers_filler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message is one that Caffe's schema does not know."""
    monkeypatch.setattr(registry, "_TYPES", dict(layer_types()))

    @layer("Gain")
    class Gain(Layer):
        fillers = {"gain": Filler("gain_param.filler", otherwise=1.0)}

        def weights(self, x: Shape) -> dict[str, Shape]:
            return {"gain": (x[1],)}

    def gain(params: str) -> np.ndarray:
        text = NET + f'layer {{ name: "g" type: "Gain" bottom: "bn" top: "g" {params} }}'
        return fill_weights(graph_of(text), 5).node("g").weights[0].data

    np.testing.assert_array_equal(gain(""), [1, 1, 1])
    np.testing.assert_array_equal(gain("gain_param { filler { value: 4 } }"), [4, 4, 4])
    assert (gain('gain_param { filler { type: "uniform" min: 8 max: 9 } }') > 8).all()


def test_an_empty_filler_is_caffes_default() -> None:
    layer = 'layer { name: "g" type: "Scale" bottom: "bn" top: "g" scale_param { filler { } } }'
    np.testing.assert_array_equal(fill_weights(graph_of(NET + layer), 5).node("g").weights[0].data, [0, 0, 0])


def test_each_named_filler_is_a_blob_of_its_layer() -> None:
    """A misspelt name would leave a blob at 0 without a word."""
    typed = {name: cls for name, cls in layer_types().items() if cls.fillers}
    assert {"Convolution", "InnerProduct", "Scale"} <= typed.keys()
    for name, cls in typed.items():
        for blob, filler in cls.fillers.items():
            if not filler.path:  # no field says it: it begins as the type does
                assert filler.otherwise is not None
                continue
            message, field = filler.path.split(".")
            assert field in ("filler", f"{blob.split('_')[0]}_filler"), (name, blob, filler)
            assert message.endswith("_param"), (name, filler)


NET = """name: "two"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
        inner_product_param { num_output: 3 weight_filler { type: "gaussian" } bias_filler { type: "uniform" } } }
layer { name: "bn" type: "BatchNorm" bottom: "b" top: "bn" }
"""


def test_same_seed_same_weights(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    one, again, other = (caffe2py.load(path, fill=seed) for seed in (5, 5, 6))
    arrays = [[w.data for n in graph.nodes for w in n.weights] for graph in (one, again, other)]
    for a, b in zip(arrays[0], arrays[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert (arrays[0][0] != arrays[2][0]).all()
    assert one.node("a").weights[0].data is not None and caffe2py.load(path).node("a").weights[0].data is None


def test_each_blob_has_numbers_of_its_own() -> None:
    text = NET.replace('param { name: "w" }', "").replace("xavier", "uniform").replace("gaussian", "uniform")
    graph = fill_weights(graph_of(text), 5)
    blobs = [graph.node("a").weights[0].data, *(w.data for w in graph.node("b").weights)]
    assert len(np.unique(np.concatenate([b.reshape(-1) for b in blobs]))) == 9 + 9 + 3


def test_a_shared_blob_is_its_owners() -> None:
    graph = fill_weights(graph_of(NET), 5)
    a, b = graph.node("a").weights, graph.node("b").weights
    np.testing.assert_array_equal(a[0].data, b[0].data)
    assert abs(a[0].data).max() <= 1  # xavier of the owner, not the gaussian of the other
    assert not a[1].data.any() and b[1].data.all()
    assert all(not w.data.any() for w in graph.node("bn").weights)  # Caffe's statistics start at 0


def test_other_layers_do_not_change_a_layers_numbers() -> None:
    alone = NET.replace('param { name: "w" }', "")
    without = "\n".join(line for line in alone.splitlines() if '"bn"' not in line)
    a, b = (fill_weights(graph_of(text), 5).node("b").weights for text in (alone, without))
    np.testing.assert_array_equal(a[0].data, b[0].data)


@pytest.mark.parametrize(
    ("filler", "message"),
    [
        ('type: "kaiming"', 'has a filler of type "kaiming"; want constant, uniform, gaussian, xavier'),
        ('type: "xavier" sparse: 3', "has a xavier filler with sparse 3"),
        ('type: "gaussian" sparse: -2', "with sparse -2"),
        ('type: "gaussian" std: 0', "std 0; want it above 0"),
        ('type: "uniform" min: 2', "from 2 to 1; want max to be no less than min"),
        ('type: "bilinear"', "bilinear filler for a blob of shape (3, 3); want 4 axes"),
    ],
)
def test_bad_fillers(filler: str, message: str) -> None:
    with pytest.raises(CaffeError) as error:
        fill_weights(graph_of(NET.replace('type: "xavier"', filler)), 1)
    assert message in str(error.value) and 'layer "a" (InnerProduct): weight: ' in str(error.value)


def test_bad_seed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    with pytest.raises(CaffeError, match="fill is -1; want a whole number from 0 on"):
        caffe2py.load(path, fill=-1)
