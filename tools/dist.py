"""Make a release: wheel and sdist, checked, and the wheel tried out in an empty environment.

`python -m tools.dist` builds both in dist/, lets twine check what an index will show, looks at what is in them, and
installs the wheel alone into a new environment, where `show` and `convert` must run with the base dependencies and
whatever needs an extra must say which. Words after it go to `pip install`, such as an index for torch without CUDA.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from caffe2py.version import __version__

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
NET = ROOT / "models" / "prototxt" / "SE-ResNet-50.prototxt"
SMALL = """name: "small" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 8 } }
"""

# What the wheel holds besides the package's Python files, and what it must not hold.
DATA = ("proto/caffe.desc", "data/caffe.proto", "data/prototxt/SENet-154.prototxt", "py.typed")
SOURCES = (
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "Makefile",
    "constraints.txt",
    "docs/architecture.md",
)

# What needs an extra, and how it says so; the commands run beside a net of the name small.
WANTS = {
    "show small.prototxt --svg net.svg": "report",
    "classify small.prototxt small.caffemodel picture.png": "evaluate",
    "verify small.prototxt small.caffemodel --against small-record.h5 --model small.onnx": "verify",
    "archive create small.prototxt small.caffemodel -o small.tar --sign key.pem": "sign",
    "data convert_imageset ./ list.txt small-db": "runtime",
}


def main(words: Sequence[str] = ()) -> int:
    """Build, check and try out; raises SystemExit with the fact where something is wrong."""
    check_versions()
    for old in DIST.glob("caffe2py-*"):
        old.unlink()
    run([sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)])
    wheel, sdist = DIST / f"caffe2py-{__version__}-py3-none-any.whl", DIST / f"caffe2py-{__version__}.tar.gz"
    run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)])
    check_contents(wheel, sdist)
    with tempfile.TemporaryDirectory(prefix="caffe2py-dist-") as name:
        try_out(wheel, Path(name), words)
    print(f"{wheel.name} and {sdist.name} in {DIST}")
    return 0


def versions() -> list[str]:
    """The versions of Python that the classifiers name."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return [name.rpartition(" ")[2] for name in found if name.startswith("Programming Language :: Python :: 3.")]


def check_versions() -> None:
    """Syntax and types for each version of Python, since not each is at hand to run the tests with."""
    for version in versions():
        target = f"py{version.replace('.', '')}"
        run([sys.executable, "-m", "ruff", "check", "--quiet", "--target-version", target, "--select", "E9,F", "."])
        run([sys.executable, "-m", "mypy", "--python-version", version])


def check_contents(wheel: Path, sdist: Path) -> None:
    """Every file of the package is in the wheel and what a packager needs in the sdist; no cache, test or secret is."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = ROOT / "caffe2py"
    wanted = {p.relative_to(ROOT).as_posix() for p in package.rglob("*.py")} | {f"caffe2py/{name}" for name in DATA}
    stop_at(wheel, "lacks", wanted - held)
    stop_at(
        wheel,
        "holds",
        (name for name in held if not name.startswith(("caffe2py/", f"caffe2py-{__version__}.dist-info/"))),
    )
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    stop_at(sdist, "lacks", (wanted - {f"caffe2py/{n}" for n in DATA if n.startswith("data/")} | set(SOURCES)) - names)
    stop_at(
        sdist,
        "holds",
        (name for name in names if "__pycache__" in name or name.startswith((".git/", ".venv", "dist/"))),
    )


def stop_at(file: Path, fault: str, names: Iterable[str]) -> None:
    """Stop where there are names that a file lacks, or holds and should not."""
    if found := sorted(names):
        raise SystemExit(f"{file.name} {fault} {', '.join(found[:5])}{' ...' if len(found) > 5 else ''}")


def try_out(wheel: Path, folder: Path, words: Sequence[str]) -> None:
    """The wheel alone, in an environment of its own, as its user has it."""
    run([sys.executable, "-m", "venv", str(folder / "venv")])
    python = str(folder / "venv" / "bin" / "python")
    constraints = str(ROOT / "constraints.txt")
    run([python, "-m", "pip", "install", "--quiet", "--constraint", constraints, *words, str(wheel)])
    (folder / "small.prototxt").write_text(SMALL)
    caffe = [python, "-m", "caffe2py"]
    run([*caffe, "show", str(NET)], folder)
    run([*caffe, "convert", "small.prototxt", "--fill", "1", "-o", "small.caffemodel"], folder)
    for suffix in (".pt", ".py", ".pt2", ".onnx", ".safetensors", ".h5"):
        run([*caffe, "convert", "small.prototxt", "small.caffemodel", "-o", f"small{suffix}"], folder)
    run([*caffe, "record", "small.prototxt", "small.caffemodel", "-o", "small-record.h5"], folder)
    for name, content in {"picture.png": "", "key.pem": "", "list.txt": "picture.png 0\n"}.items():
        (folder / name).write_text(content)
    for command, extra in WANTS.items():
        check_want(caffe, command, extra, folder)


def check_want(caffe: Sequence[str], command: str, extra: str, folder: Path) -> None:
    """A command that needs more than is there ends with status 1 and one message, which names the extra."""
    done = subprocess.run([*caffe, *command.split()], cwd=folder, env=clean(), capture_output=True, text=True)
    wish = f"pip install 'caffe2py[{extra}]'"
    last = (done.stderr.strip().splitlines() or [""])[-1]  # behind log lines
    if done.returncode != 1 or not last.startswith("caffe2py: ") or wish not in last:
        raise SystemExit(f"caffe2py {command}: want a message with {wish}, and it said: {done.stderr}")


def run(words: Sequence[str], folder: Path = ROOT) -> None:
    """Run a command to its end; stop where it fails."""
    done = subprocess.run(words, cwd=folder, env=clean(), stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"failed with status {done.returncode}: {' '.join(words)}")


def clean() -> dict[str, str]:
    """The environment without what would let the checkout be imported."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
