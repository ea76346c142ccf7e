"""Random nets: the same for a seed, alike in all of our ways, and held against another Caffe."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from caffe2py.errors import CaffeError
from caffe2py.proto.schema import is_own_type
from tests.helpers.absent import needs_module
from tools.random_nets.__main__ import BAR, main
from tools.random_nets.making import RandomNet, random_net, types_of_nets
from tools.random_nets.views import differences, graph_of

needs_module("onnxruntime", "onnxruntime")

ALWAYS = 500  # seeds of every run of the tests; --all adds to them
ALL = 4000

# A Caffe that doubles what TanH makes, dies of its first net with an ELU, and refuses a Power.
ANOTHER = """
import os, runpy, sys
import caffe2py.pycaffe as caffe
sys.modules["caffe"] = caffe
class Net(caffe.Net):
    def forward(self):
        types = [layer.type for layer in self.layers]
        if "ELU" in types and not os.path.exists(__file__ + ".died"):
            open(__file__ + ".died", "w").close()
            print("F0101 elu_layer.cpp:7] Check failed: a stranger's Caffe", file=sys.stderr, flush=True)
            os.abort()
        if "Power" in types:
            raise RuntimeError("no Power here")
        super().forward()
        for layer, name in zip(types, self._layer_names):
            if layer == "TanH":
                for top in self.top_names[name]:
                    self.blobs[top].data[...] *= 2
caffe.Net = Net
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_seed_is_a_net() -> None:
    assert [random_net(s) for s in range(50)] == [random_net(s) for s in range(50)]
    assert len({random_net(s).text for s in range(50)}) == 50
    assert all((random_net(9).arrays()[k] == v).all() for k, v in random_net(9).arrays().items())


def test_every_type_of_caffes_own_is_run() -> None:
    """Chance seldom makes the regions and boxes that some forks' layers want."""

    def runs(net: RandomNet) -> bool:
        try:
            graph_of(net)
        except CaffeError:
            return False
        return True

    own = [type_ for type_ in types_of_nets() if is_own_type(type_)]
    assert [type_ for type_ in own if not any(runs(random_net(seed, [type_])) for seed in range(300))] == []


def test_views_agree(whole: bool) -> None:
    """Wherever Caffe's rules let a net through, float64, float32 in each style and onnxruntime make the same of it."""
    wrong, ran = {}, 0
    for seed in range(ALL if whole else ALWAYS):
        net = random_net(seed)
        try:
            found = differences(graph_of(net), net.arrays())
        except CaffeError:
            continue
        ran += 1
        wrong.update({f"{seed} {way}": gap for way, gap in found.items() if not gap <= BAR})
    assert not wrong
    assert ran > ALWAYS / 4


def test_another_caffe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "another.py"
    script.write_text(ANOTHER)
    types = ["TanH", "ELU", "Power", "Sigmoid", "Convolution"]
    command = f"{sys.executable} {script}"
    arguments = ["--count", "40", "--against-caffe", command, "--keep", str(tmp_path / "kept"), "--types", *types]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    for word, line in {
        "TanH": "output t0 differs by",
        "ELU": "only Caffe refuses: F0101 elu_layer.cpp:7] Check failed",
        "Power": "only Caffe refuses: no Power here",
    }.items():
        assert any(word in told and line in told for told in said.splitlines()), said
    differing = [line for line in said.splitlines() if "): " in line]
    assert all(any(t in line for t in ("TanH", "ELU", "Power")) for line in differing), said
    assert list((tmp_path / "kept" / "ours").glob("*.npz"))


def test_an_interpreter_without_caffe(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot run nets: ModuleNotFoundError: No module named 'caffe'"):
        main(["--count", "1", "--against-caffe", f"{sys.executable} -I"])


def test_unknown_types() -> None:
    with pytest.raises(SystemExit, match="no nets are made of Convlution; there are AbsVal"):
        main(["--types", "Convlution"])
