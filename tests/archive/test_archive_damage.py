"""Bundles that were damaged, by chance or on purpose."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from caffe2py.archive import check, create, extract
from caffe2py.errors import CaffeError
from tests.helpers.nets import TINY, command, write_net

FLIPS = 1000


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    create(*write_net(folder, TINY), folder / "tiny.tar")
    return folder / "tiny.tar"


@pytest.fixture
def bag(tar: Path, tmp_path: Path) -> Path:
    return extract(tar, tmp_path / "bag")


def failed(path: Path) -> bool:
    return not check(path, files_only=True).ok


def test_every_flipped_bit_is_found(tar: Path, tmp_path: Path) -> None:
    """Anywhere: in files, manifests, headers, padding, and the empty end."""
    data = bytearray(tar.read_bytes())
    copy = tmp_path / "flipped.tar"
    copy.write_bytes(data)
    assert not failed(copy)
    draw = random.Random(7)
    missed = []
    with open(copy, "r+b") as file:
        for _ in range(FLIPS):
            at, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
            file.seek(at)
            file.write(bytes([data[at] ^ bit]))
            file.flush()
            if not failed(copy):
                missed.append((at, bit))
            file.seek(at)
            file.write(bytes([data[at]]))
            file.flush()
    assert missed == []


def test_every_byte_of_every_header_counts(tar: Path, tmp_path: Path) -> None:
    """All bits of the 512 bytes of one header, one after another."""
    data = tar.read_bytes()
    with tarfile.open(tar) as opened:
        start = opened.getmembers()[3].offset
    copy = tmp_path / "flipped.tar"
    missed = []
    for at in range(start, start + 512):
        copy.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        if not failed(copy):
            missed.append(at - start)
    assert missed == []


@pytest.mark.parametrize("end", [-1, -512, -10240, "more"])
def test_another_length_is_found(end: int | str, tar: Path, tmp_path: Path) -> None:
    data = tar.read_bytes()
    (tmp_path / "cut.tar").write_bytes(data + bytes(512) if isinstance(end, str) else data[:end])
    assert failed(tmp_path / "cut.tar")


def remove(name: str) -> Callable[[Path], object]:
    return lambda bag: (bag / name).unlink()


def write(name: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    def change(bag: Path) -> None:
        data = (bag / name).read_bytes()
        assert old in data
        (bag / name).write_bytes(data.replace(old, new, 1))

    return change


def link(bag: Path) -> None:
    file = bag / "data/original/net.prototxt"
    shutil.move(file, bag.parent / "net.prototxt")
    file.symlink_to(bag.parent / "net.prototxt")


def with_manifests(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """The change, and the payload's manifests made to fit it: the tag manifests must find it."""

    def both(bag: Path) -> None:
        change(bag)
        for algorithm in ("sha256", "sha512"):
            files = sorted(p.relative_to(bag).as_posix() for p in (bag / "data").rglob("*") if p.is_file())
            words = [f"{algorithm}sum", *files]
            (bag / f"manifest-{algorithm}.txt").write_bytes(subprocess.check_output(words, cwd=bag))

    return both


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file removed": (remove("data/schema/caffe.proto"), "data/schema/caffe.proto is not there"),
    "an original removed": (remove("data/original/net.caffemodel"), "net.caffemodel is not there"),
    "a manifest removed": (remove("manifest-sha512.txt"), "manifest-sha512.txt is not there"),
    "the declaration removed": (remove("bagit.txt"), "is no bundle"),
    "a file added": (lambda bag: (bag / "data/extra").write_text("x"), "data/extra is not in manifest"),
    "a tag file added": (lambda bag: (bag / "fetch.txt").write_text("x"), "fetch.txt does not belong there"),
    "an empty folder added": (lambda bag: (bag / "data/empty").mkdir(), '"data/empty" is empty'),
    "a file renamed": (
        lambda bag: (bag / "data/README.md").rename(bag / "data/readme.txt"),
        "data/readme.txt is not in manifest",
    ),
    "two files changed places": (
        lambda bag: [
            (bag / "data/README.md").rename(bag / "x"),
            (bag / "data/history.json").rename(bag / "data/README.md"),
            (bag / "x").rename(bag / "data/history.json"),
        ],
        "is not as it was",
    ),
    "a link": (link, '"data/original/net.prototxt" is a link'),
    "a path that leads out": (
        write("manifest-sha256.txt", b"  data/README.md", b"  data/../../README.md"),
        "leads out of the bundle",
    ),
    "an absolute path": (
        write("manifest-sha256.txt", b"  data/README.md", b"  /etc/passwd"),
        "leads out of the bundle",
    ),
    "a manifest that lies": (
        lambda bag: write("manifest-sha256.txt", (bag / "manifest-sha256.txt").read_bytes()[:8], b"00000000")(bag),
        "is not as it was",
    ),
    "a manifest that fits a change": (
        with_manifests(write("data/original/net.prototxt", b"num_output: 2", b"num_output: 3")),
        "manifest-sha256.txt is not as it was",
    ),
    "a lie about the size": (write("bag-info.txt", b"Payload-Oxum: ", b"Payload-Oxum: 1"), "Payload-Oxum"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_and_named(damage: Callable[[Path], object], said: str, bag: Path) -> None:
    assert not failed(bag)
    damage(bag)
    done = command("archive", "check", bag)
    assert done.status == 3 and said in done.out and "Traceback" not in done.err, done


def sealed(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """The change, and all manifests made to fit it, as somebody would who knows what they do."""

    def all_of_it(bag: Path) -> None:
        with_manifests(change)(bag)
        size = [f.stat().st_size for f in (bag / "data").rglob("*") if f.is_file()]
        info = (bag / "bag-info.txt").read_text().splitlines()
        info = [f"Payload-Oxum: {sum(size)}.{len(size)}" if i.startswith("Payload") else i for i in info]
        (bag / "bag-info.txt").write_text("\n".join(info) + "\n")
        for algorithm in ("sha256", "sha512"):
            files = ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest-sha512.txt"]
            (bag / f"tagmanifest-{algorithm}.txt").write_bytes(
                subprocess.check_output([f"{algorithm}sum", *files], cwd=bag)
            )

    return all_of_it


SEALED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "an original": (write("data/original/net.prototxt", b"tiny", b"tinY"), "metadata", "other hashes of original/net"),
    "the translation": (write("data/converted/model.py", b"return", b"return  "), "metadata", "model.py"),
    "the crate's hash": (
        write("data/ro-crate-metadata.json", b'"sha256": "', b'"sha256": "0'),
        "metadata",
        "hash or size",
    ),
    "no JSON": (write("data/history.json", b"{", b"["), "metadata", "is no JSON"),
    "other bounds": (write("data/verify/report.json", b'"ok": true', b'"ok": false'), "metadata", "report.json"),
}


ODD = {
    "a list": ("original", b"[1]"),
    "a number": ("choices", b"3"),
    "nothing": ("facts", b"null"),
    "a text": ("info", b'"x"'),
    "a name": ("activations", b'{"file": "../../etc/passwd"}'),
}


@pytest.mark.parametrize(("key", "value"), ODD.values(), ids=ODD)
def test_what_a_bundle_says_may_be_anything(key: str, value: bytes, bag: Path) -> None:
    """The manifests are made to fit. Nothing but findings, and one message where there is nothing to show."""
    history = json.loads((bag / "data/history.json").read_text())
    history[next(k for k in history if k.startswith(key))] = json.loads(value)
    sealed(lambda bag: (bag / "data/history.json").write_text(json.dumps(history)))(bag)
    done = command("archive", "show", bag)
    assert done.status in (0, 1) and "internal error" not in done.err, done
    assert command("archive", "check", bag).status == 3


def test_a_history_of_another_format_leads_nowhere(bag: Path, tmp_path: Path) -> None:
    """What is not understood is not followed: the files that it names are not opened."""
    secret = tmp_path / "secret"
    secret.write_text("a secret word")
    history = json.loads((bag / "data/history.json").read_text())
    history["format"] = "caffe2py-bundle/9"
    history["originals"][0]["file"] = str(secret)
    sealed(lambda bag: (bag / "data/history.json").write_text(json.dumps(history)))(bag)
    findings = {f.what: f for f in check(bag).findings}
    assert {f.status for what, f in findings.items() if what not in ("layout", "manifests")} == {"not checked"}
    assert not any("secret" in f.said for f in findings.values()) and "another format" in findings["originals"].said


@pytest.mark.parametrize(("change", "what", "said"), SEALED.values(), ids=SEALED)
def test_what_fits_the_manifests_must_fit_the_metadata(
    change: Callable[[Path], object], what: str, said: str, bag: Path
) -> None:
    sealed(change)(bag)
    findings = check(bag).findings
    assert [(f.what, said in f.said) for f in findings if f.status == "FAILED"] == [(what, True)], findings


def test_a_translation_that_is_not_the_originals(bag: Path) -> None:
    """Every hash in the bundle is made to fit: only doing the translation again finds it."""

    def change(bag: Path) -> None:
        file = bag / "data/converted/model.py"
        old = file.read_bytes()
        new = old.replace(b"        return ", b"        return -", 1)
        assert new != old
        file.write_bytes(new)
        git = [hashlib.sha1(b"blob %d\0" % len(d) + d).hexdigest() for d in (old, new)]
        swaps = [(hashlib.new(a, old).hexdigest(), hashlib.new(a, new).hexdigest()) for a in ("sha256", "sha512")]
        for path in ("data/history.json", "data/ro-crate-metadata.json"):
            text = (bag / path).read_text()
            for a, b in [*swaps, tuple(git)]:
                text = text.replace(a, b)
            sizes = (f'"contentSize": "{len(old)}"', f'"contentSize": "{len(new)}"')
            (bag / path).write_text(text.replace(*sizes))
        history = (bag / "data/history.json").read_bytes()
        crate = bag / "data/ro-crate-metadata.json"
        said = json.loads(crate.read_text())
        for entity in said["@graph"]:
            if entity["@id"] == "history.json":
                entity["sha256"] = hashlib.sha256(history).hexdigest()
                entity["contentSize"] = str(len(history))
        crate.write_text(json.dumps(said))

    sealed(change)(bag)
    findings = {f.what: f for f in check(bag).findings}
    assert findings["metadata"].status == "ok", findings
    assert findings["translation"].status == "FAILED" and "model.py" in findings["translation"].said


def made_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "a path that leads out": ((entry("net/../../evil"), b"x"), "leads out of the bundle"),
    "an absolute path": ((entry("/evil"), b"x"), "leads out of the bundle"),
    "a link": ((entry("net/evil", tarfile.SYMTYPE, "/etc/passwd"), b""), "is a link"),
    "a hard link": ((entry("net/evil", tarfile.LNKTYPE, "net/bagit.txt"), b""), "is a link"),
    "a device": ((entry("net/evil", tarfile.CHRTYPE), b""), "is a link or no plain file"),
    "a second folder": ((entry("other/evil"), b"x"), "is not in the folder"),
}


@pytest.mark.parametrize(("member", "said"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_tars_are_not_taken_out(member: tuple[tarfile.TarInfo, bytes], said: str, tmp_path: Path) -> None:
    tar = made_tar(tmp_path / "evil.tar", (entry("net/bagit.txt"), b"x"), member)
    assert failed(tar)
    with pytest.raises(CaffeError, match=r"evil\.tar"):
        extract(tar, tmp_path / "out")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["evil.tar"]
    assert said in " ".join(f.said for f in check(tar).findings)


@pytest.mark.parametrize("size", [1 << 40, -512, -1])
def test_a_size_that_lies_is_not_believed(size: int, tmp_path: Path) -> None:
    """One below 0 leads back to where it stands, and so on without end."""
    info = entry("net/bagit.txt")
    info.size = size
    (tmp_path / "bomb.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(CaffeError, match=r"which are not there|a damaged tar"):
        extract(tmp_path / "bomb.tar", tmp_path / "out")
    assert failed(tmp_path / "bomb.tar")


def test_extract_does_not_write_over_what_is_there(tar: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x")
    with pytest.raises(CaffeError, match="is there already"):
        extract(tar, tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "x"
