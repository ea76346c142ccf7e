"""Compile protos/ to caffe2py/proto/caffe.desc, read at import, and forks.desc, read when it is needed.

Run it after every change of a schema: ``python tools/compile_protos.py``. Needs grpcio-tools (in the dev extra).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "protos"
SOURCES = {"caffe": [PROTOS / "caffe.proto"], "forks": sorted((PROTOS / "forks").rglob("*.proto"))}


def target(name: str) -> Path:
    return ROOT / "caffe2py" / "proto" / f"{name}.desc"


def compile_protos(sources: list[Path]) -> bytes:
    """The serialized FileDescriptorSet of .proto files, without their comments."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.desc"
        if protoc.main(["protoc", f"--proto_path={PROTOS}", f"--descriptor_set_out={out}", *map(str, sources)]) != 0:
            raise SystemExit("protoc refuses it")
        return out.read_bytes()


def main() -> None:
    for name, sources in SOURCES.items():
        try:
            data = compile_protos(sources)
        except ImportError:
            sys.exit("compile_protos.py needs the protobuf compiler: pip install grpcio-tools")
        target(name).write_bytes(data)
        print(f"{target(name)}: {len(data)} bytes")


if __name__ == "__main__":
    main()
