"""Compile protos/caffe.proto to caffe2py/proto/caffe.desc, which is committed and read at import.

Run it after every change of the schema: ``python tools/compile_protos.py``. Needs grpcio-tools (in the dev extra).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "protos" / "caffe.proto"
TARGET = ROOT / "caffe2py" / "proto" / "caffe.desc"


def compile_proto(source: Path) -> bytes:
    """The serialized FileDescriptorSet of a .proto file, without its comments."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.desc"
        arguments = ["protoc", f"--proto_path={source.parent}", f"--descriptor_set_out={out}", str(source)]
        if protoc.main(arguments) != 0:
            raise SystemExit(f"{source}: protoc refuses it")
        return out.read_bytes()


def main() -> None:
    try:
        data = compile_proto(SOURCE)
    except ImportError:
        sys.exit("compile_protos.py needs the protobuf compiler: pip install grpcio-tools")
    TARGET.write_bytes(data)
    print(f"{TARGET}: {len(data)} bytes")


if __name__ == "__main__":
    main()
