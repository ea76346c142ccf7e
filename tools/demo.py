"""The main job from end to end: SENet-154 with synthetic weights is made, converted, run and verified.

Usage: python -m tools.demo [FOLDER]     the files are left in FOLDER (default: demo)

Every step prints the command that does it, so that each can be typed again with a net of your own. Where
activations recorded in Caffe are at hand they are what the translation is held against; else our own, recorded by
the step-by-step program, are held against the `.pt`, which shows the machinery and not the truth.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tools.make_net import make_net

NET = "SENet-154"


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    prototxt, caffemodel, out = (folder / f"senet154.{suffix}" for suffix in ("prototxt", "caffemodel", "pt"))
    dump = folder / "activations.h5"
    say(f"{NET}'s prototxt and synthetic weights, the size of the released file")
    make_net(NET, prototxt, caffemodel)
    print(f"{caffemodel}  {caffemodel.stat().st_size / 1e6:.0f} MB")

    say("what is in it (the last lines of the table)")
    print("\n".join(caffe2py("show", prototxt).splitlines()[-4:]))
    say("translate it")
    print(caffe2py("convert", prototxt, caffemodel, "-o", out))
    say("run it: one image of noise")
    print(top_five(out))
    say("record every layer's output, then hold the .pt against it")
    caffe2py("record", prototxt, caffemodel, "-o", dump, "--samples", "256")
    print(caffe2py("verify", prototxt, caffemodel, "--against", dump, "--model", out))
    return 0


def say(what: str) -> None:
    print(f"\n# {what}", flush=True)


def caffe2py(*words: object) -> str:
    """Run a command of caffe2py, printed as it would be typed; what it prints."""
    print("$ caffe2py", *words, flush=True)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "caffe2py", *map(str, words)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stdout, end="")
        sys.exit(done.returncode)
    return f"{done.stdout.rstrip()}\n({time.perf_counter() - start:.1f} s)"


def top_five(path: Path) -> str:
    """The five largest probabilities that the translated net gives for noise."""
    import torch

    import caffe2py as library

    module = library.load_torch(path)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 60
    with torch.no_grad():
        chances, classes = module(image)[0].topk(5)
    return "\n".join(f"class {int(c):3}  {float(p):.4f}" for c, p in zip(classes, chances, strict=True))


if __name__ == "__main__":
    sys.exit(main())
