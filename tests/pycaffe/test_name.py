"""Scripts that say `import caffe`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
import caffe, caffe.io, caffe.draw
from caffe import layers as L
from caffe.proto import caffe_pb2
from caffe.coord_map import crop
import caffe2py.pycaffe
from beside import here
assert caffe is caffe2py.pycaffe and caffe.io is caffe2py.pycaffe.io
from caffe.pycaffe import Net
from caffe._caffe import Net as Same, Blob, Layer
assert caffe.pycaffe.Net is caffe._caffe.Net is caffe.Net and Layer is caffe.Layer
assert caffe_pb2.TRAIN == caffe.TRAIN == 0 and caffe_pb2.NetParameter is caffe.proto.caffe_pb2.NetParameter
assert caffe_pb2.Phase.Value("TEST") == 1 and caffe_pb2.Phase.Name(0) == "TRAIN"
print(__name__, sys.argv[1:], here)
"""


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "caffe2py.pycaffe", *words]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_script_and_a_module(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "beside.py").write_text("here = 'beside'")
    for words in (["script.py"], ["-m", "script"]):
        done = run(*words, "a", "-b", folder=tmp_path)
        assert (done.stdout, done.returncode) == ("__main__ ['a', '-b'] beside\n", 0), done.stderr


def test_only_in_that_process() -> None:
    done = subprocess.run([sys.executable, "-c", "import caffe2py.pycaffe, caffe"], capture_output=True, text=True)
    assert "No module named 'caffe'" in done.stderr


def test_usage(tmp_path: Path) -> None:
    assert run("--help", folder=tmp_path).stdout.startswith("usage: python -m caffe2py.pycaffe script.py")
    assert run(folder=tmp_path).returncode == 2
