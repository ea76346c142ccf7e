"""caffe2py data: Caffe's small tools for databases of samples"""

from __future__ import annotations

import click

from caffe2py.cli.common import json_option, print_json, progress
from caffe2py.cli.files import Command, Input, Output
from caffe2py.cli.running import flag, use_device

backend_flag = flag(
    "backend",
    type=click.Choice(["lmdb", "leveldb"]),
    default="lmdb",
    show_default=True,
    help="The kind of the database.",
)


@click.group(short_help="Make databases for nets: convert_imageset, compute_image_mean, extract_features")
def command() -> None:
    """Make and read databases with Caffe's small tools, their arguments and their flags."""


@command.command(
    "convert_imageset", cls=Command, short_help="Put pictures and labels into a database that Data layers read"
)
@click.argument("rootfolder", type=Input())
@click.argument("listfile", type=Input())
@click.argument("db_name", type=Output())
@backend_flag
@flag("gray", is_flag=True, help="Read pictures as gray ones.")
@flag("shuffle", is_flag=True, help="Shuffle the pictures and their labels.")
@flag("seed", type=int, default=0, help="The seed of the shuffle.")
@flag("resize_width", type=int, default=0, help="The width to resize pictures to.")
@flag("resize_height", type=int, default=0, help="The height to resize pictures to.")
@flag("check_size", is_flag=True, help="Check that all records have one size.")
@flag("encoded", is_flag=True, help="Save encoded pictures, not their pixels.")
@flag("encode_type", default="", metavar="TEXT", help="As what to encode them: png, jpg; as they are if not given.")
@json_option
def convert_imageset(
    rootfolder: str,
    listfile: str,
    db_name: str,
    backend: str,
    gray: bool,
    shuffle: bool,
    seed: int,
    resize_width: int,
    resize_height: int,
    check_size: bool,
    encoded: bool,
    encode_type: str,
    as_json: bool,
) -> None:
    """Put the pictures that LISTFILE names, a file and its label a line, into the database DB_NAME.

    ROOTFOLDER is put before each name, as it is: it should end in "/".
    """
    from caffe2py.runtime.tools.imageset import Settings, convert_imageset

    settings = Settings(
        backend.upper(), gray, shuffle, seed, resize_height, resize_width, check_size, encoded, encode_type
    )
    count = convert_imageset(
        rootfolder, listfile, db_name, settings, lambda lines: progress(lines, "pictures", len(lines))
    )
    if as_json:
        print_json({"file": db_name, "records": count})


@command.command(
    "compute_image_mean", cls=Command, short_help="Take the mean of a database's samples, as .binaryproto or .npy"
)
@click.argument("input_db", type=Input())
@click.argument("output_file", type=Output(), required=False)
@backend_flag
@json_option
def compute_image_mean(input_db: str, output_file: str | None, backend: str, as_json: bool) -> None:
    """Compute the mean of the samples in INPUT_DB, and write it to OUTPUT_FILE."""
    from caffe2py.runtime.tools.image_mean import compute_image_mean

    mean = compute_image_mean(input_db, backend.upper(), output_file, lambda values: progress(values, "samples"))
    if as_json:
        print_json({"file": output_file, "shape": mean.shape, "means": mean.mean((1, 2)).tolist()})


@command.command("extract_features", cls=Command, short_help="Write blobs of a net over its own data as databases")
@click.argument("pretrained_net_param", type=Input())
@click.argument("feature_extraction_proto_file", type=Input())
@click.argument("extract_feature_blob_names")
@click.argument("save_feature_dataset_names")
@click.argument("num_mini_batches", type=click.IntRange(1))
@click.argument("db_type", type=click.Choice(["lmdb", "leveldb"]))
@click.argument("mode", type=click.Choice(["CPU", "GPU"]), default="CPU")
@click.argument("device_id", default="0")
@json_option
def extract_features(
    pretrained_net_param: str,
    feature_extraction_proto_file: str,
    extract_feature_blob_names: str,
    save_feature_dataset_names: str,
    num_mini_batches: int,
    db_type: str,
    mode: str,
    device_id: str,
    as_json: bool,
) -> None:
    """Run the net over NUM_MINI_BATCHES batches and write blobs, sample by sample, to databases of floats.

    Names of several blobs, and of their databases, have commas between them.
    """
    from caffe2py.proto.net import read_net
    from caffe2py.runtime.nets.net import RunningNet
    from caffe2py.runtime.tools.features import extract_features

    use_device(device_id if mode == "GPU" else "", 56)
    net = RunningNet(read_net(feature_extraction_proto_file))
    net.load_weights(pretrained_net_param)
    blobs, outs = extract_feature_blob_names.split(","), save_feature_dataset_names.split(",")
    batches = progress(range(num_mini_batches), "batches", num_mini_batches)
    count = extract_features(net, blobs, outs, batches, db_type.upper())
    if as_json:
        print_json({"files": outs, "samples": count})
