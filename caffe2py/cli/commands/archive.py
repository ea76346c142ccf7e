"""caffe2py archive create | check | extract | show"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from caffe2py.cli.common import (
    F,
    NetFiles,
    fail,
    file_size,
    json_option,
    line_width,
    lines_of,
    net_files,
    note,
    print_json,
    progress,
    say,
    wide_option,
    working,
)
from caffe2py.cli.files import Command, Input, Output
from caffe2py.graph.columns import aligned, middle_cut

if TYPE_CHECKING:
    from caffe2py.archive.contents.info import Info


def _named_in(info: Path) -> Iterable[Path]:
    """The files that a CARD.toml names."""
    from caffe2py.archive.contents.info import read_info
    from caffe2py.errors import CaffeError

    try:
        return read_info(info).files().values()
    except CaffeError:  # told when it is read
        return ()


def _signature(bundle: Path) -> Iterable[Path]:
    from caffe2py.archive.bundles.signing import signature_of

    return (signature_of(bundle),)


INFO = (
    click.option(
        "--info",
        "info_file",
        type=Input(_named_in),
        metavar="CARD.toml",
        help="What is known about the model; keys as below.",
    ),
    click.option("--title", metavar="TEXT", help="The model's name for people."),
    click.option("--source", metavar="URL", help="Where it was published."),
    click.option("--author", "authors", multiple=True, metavar="NAME", help="An author; may be repeated."),
    click.option("--licence", "--license", metavar="TEXT", help="An SPDX name such as Apache-2.0, or a sentence."),
    click.option(
        "--licence-file", "--license-file", type=Input(), metavar="FILE", help="Its text; kept with the originals."
    ),
    click.option("--labels", type=Input(), metavar="FILE", help="The classes, a line each; kept with the originals."),
    click.option("--mean", type=Input(), metavar="FILE", help="The mean image; kept with the originals."),
    click.option("--citation", type=Input(), metavar="FILE", help="BibTeX."),
)


ONE = "prototxt caffemodel against seed hf key phase level stages inputs plugins dialect variables"
OF_ONE = frozenset((*ONE.split(), "ignore_unknown_fields"))  # what is said of one net


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.group(short_help="Keep a model for decades: originals, translation and proof in one checkable bundle")
def command() -> None:
    """Keep a model in a bundle that still answers in decades: BagIt 1.0 with the original files bit for bit, their
    translation, the proof, a model card, RO-Crate metadata and a history with hashes.
    """


@command.command("create", cls=Command, short_help="Make a bundle, or one of each model in a folder")
@net_files(weights=True, optional=True)
@click.option(
    "-o",
    "--output",
    "out",
    type=Output(_signature),
    required=True,
    metavar="OUT",
    help="OUT.tar for a plain tar, else a folder.",
)
@click.option(
    "--against", type=Input(), metavar="DUMP", help="Activations recorded in Caffe; without them our own are recorded."
)
@_options(*INFO)
@click.option("--date", metavar="DATE", help="Written into the bundle: YYYY-MM-DD. Else SOURCE_DATE_EPOCH, else none.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=2017, show_default=True, help="Of the input drawn.")
@click.option("--hf", is_flag=True, help="A folder as Hugging Face has it: config.json, model.safetensors, README.md.")
@click.option(
    "--all",
    "folder",
    type=Input(),
    metavar="DIR",
    help="A bundle of each model in DIR, with an index, in the folder OUT.",
)
@click.option("--sign", "key", type=Input(), metavar="KEY.pem", help="Sign with this private key: OUT.sig.")
@json_option
def create_command(
    net: NetFiles,
    out: str,
    against: str | None,
    date: str | None,
    seed: int,
    hf: bool,
    folder: str | None,
    key: str | None,
    as_json: bool,
    **known: Any,
) -> None:
    """Make the bundle OUT of NET.prototxt and NET.caffemodel: a folder, or a plain tar where OUT ends in .tar.

    The same inputs make the same bytes: no time is written unless one is given. Killed at any moment there is
    nothing at OUT, or all of it. Exit status 3: it was made, and its translation is not verified.

    \b
    CARD.toml may say title, description, source, authors, licence, licence_file, labels, mean,
    citation, published_on, and published = { "top-1 error, %" = 18.68 }. What nobody says is "unknown".

    With --all, each caffemodel in DIR is taken with the prototxt of its name beside it (NAME.toml and
    NAME.activations.h5 too); one that fails is listed in OUT/index.csv and index.html, the others go
    on, and the exit status is 1.
    """
    from caffe2py.archive.making import Choices, create

    info = _info(**known)
    if folder is not None:
        ctx = click.get_current_context()
        for param in ctx.command.params:
            if param.name in OF_ONE and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--all DIR takes each net as it is; want no {param.get_error_hint(ctx)}")
        _create_all(folder, out, info, date, as_json)
        return
    if not net.prototxt or not net.caffemodel:
        raise click.UsageError("want NET.prototxt and NET.caffemodel, or --all DIR")
    if key is not None:
        from caffe2py.archive.bundles.signing import import_model_signing

        import_model_signing()
    choices = Choices(**{f.name: getattr(net, f.name) for f in fields(Choices)})
    shared: dict[str, Any] = {"against": against, "info": info, "choices": choices, "seed": seed, "progress": _progress}
    if hf:
        from caffe2py.archive.hub import create_hub_folder

        if date:
            raise click.UsageError("--date is for a bundle, not for --hf")
        with working(f"making {out}"):
            made = create_hub_folder(net.prototxt, net.caffemodel, out, **shared)
    else:
        with working(f"making {out}"):
            made = create(net.prototxt, net.caffemodel, out, date=date, **shared)
    if key is not None:
        from caffe2py.archive.bundles.signing import sign

        note(f"signed: {sign(out, key)}")
    for line in made.notes:
        note(line, always=line in made.lacks)
    if as_json:
        print_json({**made.__dict__, "path": str(made.path)})
    else:
        say(f"{out}  {file_size(made.size)} in {made.files} files")
        say(made.proof)
    if not made.ok:
        fail()


def _create_all(folder: str, out: str, info: Info, date: str | None, as_json: bool) -> None:
    from caffe2py.archive.many import FAILED, UNVERIFIED, create_all

    entries = create_all(folder, out, info=info, date=date, walk=lambda pairs: progress(pairs, "archiving", len(pairs)))
    if as_json:
        print_json([entry.__dict__ for entry in entries])
    else:
        for entry in entries:
            say(*lines_of(f"{entry.name}  {entry.status}{f': {entry.error}' if entry.error else ''}"))
        say(f"index: {Path(out) / 'index.html'}")
    states = {entry.status for entry in entries}
    if FAILED in states:
        fail(1)
    if UNVERIFIED in states:
        fail()


@command.command("check", cls=Command, short_help="Prove a bundle again: every byte, and the translation")
@click.argument("bundle", type=Input(), metavar="BUNDLE")
@click.option("--files-only", is_flag=True, help="Hashes, names and headers alone; the translation is not done again.")
@click.option(
    "--plugin",
    "plugins",
    type=Input(),
    multiple=True,
    metavar="FILE",
    help="A Python file of the net's layers; it is run.",
)
@click.option("--public-key", type=Input(), metavar="KEY.pem", help="Hold it against its signature, BUNDLE.sig, first.")
@wide_option
@json_option
def check_command(
    bundle: str, files_only: bool, plugins: tuple[str, ...], public_key: str | None, wide: bool, as_json: bool
) -> None:
    """Check BUNDLE, a folder or a tar: each byte against the manifests, names, metadata; then load the originals, do
    the translation again and compare it, and compute the activations again, within the bounds that are stored.

    A line for each. Exit status 3 where one failed.
    """
    from caffe2py.archive.checking import Finding, check

    width = line_width(wide)

    def tell(finding: Finding) -> None:
        if not as_json:  # a fault is told whole
            say(finding if finding.status == "FAILED" or width is None else middle_cut(str(finding), width))

    signature = None
    if public_key is not None:
        signature = _check_signature(bundle, public_key)
        tell(signature)
    with working(f"checking {bundle}"):
        found = check(
            bundle,
            files_only=files_only,
            plugins=plugins,
            say=tell,
        )
    findings: list[Finding] = [*([signature] if signature else []), *found.findings]
    ok = all(each.status != "FAILED" for each in findings)
    if as_json:
        print_json({**found.to_dict(), "ok": ok, "findings": [each.__dict__ for each in findings]})
    if not ok:
        fail()


def _check_signature(bundle: str, key: str) -> Any:
    from caffe2py.archive.bundles.signing import import_model_signing, verify_signature
    from caffe2py.archive.checking import FAILED, OK, Finding
    from caffe2py.errors import CaffeError

    import_model_signing()
    try:
        return Finding("signature", OK, f"{verify_signature(bundle, key)} is of this bundle and this key")
    except CaffeError as error:
        return Finding("signature", FAILED, str(error))


@command.command("extract", cls=Command, short_help="Take a bundle out of its tar")
@click.argument("bundle", type=Input(), metavar="BUNDLE.tar")
@click.option("-o", "--output", "out", type=Output(), metavar="FOLDER", help="The folder to make; else BUNDLE.")
@json_option
def extract_command(bundle: str, out: str | None, as_json: bool) -> None:
    """Take BUNDLE.tar out into a folder, and hold its files against the manifests.

    Links, and paths that lead elsewhere, are refused before a byte is written. Exit status 3: it was taken out, and
    its files are not what they were.
    """
    from caffe2py.archive.checking import check
    from caffe2py.archive.extraction import extract

    with working(f"taking out {bundle}"):
        made = extract(bundle, out or str(Path(bundle).with_suffix("")))
        found = check(made, files_only=True)
    if as_json:
        print_json({"folder": str(made), **found.to_dict()})
    else:
        say(made)
        for finding in found.findings:
            say(finding)
    if not found.ok:
        fail()


@command.command("show", cls=Command, short_help="Say what is in a bundle")
@click.argument("bundle", type=Input(), metavar="BUNDLE")
@wide_option
@json_option
def show_command(bundle: str, wide: bool, as_json: bool) -> None:
    """Say what BUNDLE holds: the originals and their hashes, where they are from, and what was verified.

    Nothing is checked: `caffe2py archive check` does that.
    """
    from caffe2py.archive.extraction import describe
    from caffe2py.proto.disk.damage import damage_told

    with working(f"reading {bundle}"):
        said = describe(bundle)
    if as_json:
        print_json(said)
        return
    with damage_told(bundle, "bundle"):
        lines = _lines(said, line_width(wide))
    say(*lines)


def _lines(said: dict[str, Any], width: int | None) -> list[str]:
    info, facts = said["info"], said["facts"]
    made_on = f" on {said['made_on']}" if said["made_on"] else ", no date given"
    rows = [
        ("bundle", f"{said['bundle']} ({said['form']}, {said['files']} files, {file_size(said['size'])})"),
        ("net", f"{facts['net']}, {facts['parameters']:,} parameters, {facts['multiply_adds']:,} multiply-adds"),
        ("title", info["title"] or "unknown"),
        ("authors", ", ".join(info["authors"]) or "unknown"),
        ("source", info["source"] or "unknown"),
        ("licence", info["licence"] or "unknown"),
        ("known as", said["identified"] or "no known release"),
        ("made by", f"{said['made_by']}{made_on}"),
        (
            "proof",
            f"{said['verification']['verdict']} (activations recorded by {said['activations']['recorded_by']})",
        ),
    ]
    for each in said["originals"]:
        rows += [(each["kind"], f"{each['file']}, {each['size']:,} bytes")]
        rows += [("sha256", each["sha256"]), ("swhid", each["swhid"])]
    rows += [("converted", f"{each['file']}, {each['size']:,} bytes") for each in said["converted"]]
    rows += [("not made", f"{file}: {why}") for file, why in said["not_made"].items()]
    return aligned(rows, width=width)


def _info(info_file: str | None, citation: str | None, **given: Any) -> Info:
    """What the TOML file says, and the options in its place."""
    from caffe2py.archive.contents.info import FILES, Info, read_info
    from caffe2py.proto.disk.files import read_text

    if citation is not None:
        given["citation"] = read_text(citation)
    said: dict[str, Any] = {key: Path(value) if key in FILES else value for key, value in given.items() if value}
    return (read_info(info_file) if info_file else Info()).given(Info(**said))


def _progress(items: Any, what: str, total: int) -> Any:
    return progress(items, what, total)
