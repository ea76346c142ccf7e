"""Reports as HTML and Markdown: every value is in them, names stay text, nothing comes from outside."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import caffe2py
from caffe2py.graph import Graph
from caffe2py.proof.dumps.sample import Sample
from caffe2py.proof.measures.histogram import BINS, DECADES, MOST, histogram
from caffe2py.proof.record import noise
from caffe2py.proof.reports.findings import ABSENT, FAULT, FOLLOWS, OK, SILENT, Diagnosis, LayerReport, Suspect
from caffe2py.proof.reports.plots import depth_plot
from caffe2py.proof.reports.report import Report
from tests.helpers.absent import needs
from tests.helpers.nets import SMALL, command, graph_of, write_net
from tests.helpers.pages import NASTY, NASTY_NET, Page, outside

LEAKY = SMALL.replace('name: "relu" type: "ReLU"', 'name: "relu" type: "ReLU" relu_param { negative_slope: 0.1 }')


def verified(folder: Path, text: str, samples: int | None = None, recorded: str | None = None) -> Report:
    """A net against a dump of itself, or of another net with its weights."""
    prototxt, caffemodel = write_net(folder, text)
    (folder / "recorded.prototxt").write_text(recorded or text)
    right = caffe2py.load(folder / "recorded.prototxt", caffemodel)
    caffe2py.record(right, noise(right), folder / "dump.h5", samples)
    return caffe2py.verify(caffe2py.load(prototxt, caffemodel), folder / "dump.h5")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return verified(tmp_path_factory.mktemp("right"), SMALL)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A ReLU is leaky, where the net that was recorded has a plain one."""
    return verified(tmp_path_factory.mktemp("wrong"), LEAKY, recorded=SMALL)


def made_up(rows: int = 40, graph: Graph | None = None, **more: object) -> Report:
    """A report of rows of every verdict, with errors of every kind."""
    verdicts = [OK, OK, FAULT, FOLLOWS, SILENT, ABSENT, OK, FAULT]
    errors = [1e-7, 0.0, 3e-3, 2e-1, None, None, 5e-7, math.inf]
    layers = [
        LayerReport(
            i,
            f"layer {i}",
            "ReLU",
            f"blob#{i}",
            (2, 3),
            verdicts[i % 8],
            drift=errors[i % 8],
            local=errors[i % 8] if i % 3 else None,
            local_bar=1e-6 if i % 3 else None,
            drift_bar=1e-6 * (1 + i),
            note="has shape (2, 3); the reference has (3, 2)" if i % 8 == 7 else "",
        )
        for i in range(rows)
    ]
    return Report("net", "torch, exact", "dump.h5", tuple(layers), graph=graph, **more)  # type: ignore[arg-type]


def test_the_legend_tells_what_the_plot_shows(right: Report, tmp_path: Path) -> None:
    def told(report: Report) -> set[str]:
        (caption,) = re.findall("<figcaption.*?</figcaption>", report.to_html(), re.DOTALL)
        return set(re.findall(r'class="key ([a-z-]+)"', caption))

    assert told(right) == {"local", "drift", "local-bar", "drift-bar"}
    assert told(verified(tmp_path, SMALL, samples=16)) == {"drift", "drift-bar", "alone"}
    assert told(made_up()) == {"local", "drift", "local-bar", "drift-bar", "alone", "dot"}


def test_a_report_of_no_value_says_so() -> None:
    empty = made_up(0)
    assert empty.verdict == "not verified: no value could be compared; nothing in the dump can acquit the net"
    assert empty.to_dict()["worst"] is None and empty.to_markdown() and empty.to_html()


def test_the_page_of_a_right_net(right: Report) -> None:
    page = Page.of(right.to_html())
    assert page.texts["h1"] == ["small net: verified"]
    assert page.of_class("verdict") == [{"class": "verdict good"}]
    assert right.verdict in page.texts["p"]
    assert page.of_class("fault") == [{"class": "key fault"}]  # in the legend, and nowhere else
    assert "Likely cause" not in page.texts["h2"]


def test_the_page_of_a_wrong_net(wrong: Report) -> None:
    page = Page.of(wrong.to_html())
    first = wrong.first_offender
    assert first is not None and first.name == "relu"
    assert page.texts["h1"] == ["small net: FAILED"]
    assert wrong.verdict in page.texts["p"]
    assert f"Layer relu: {wrong.diagnosis}." in page.texts["p"]
    assert wrong.diagnosis is not None
    tried = page.tables["table 0"]
    assert [cells[0] for cells in tried] == [suspect.cause for suspect in wrong.diagnosis.suspects]
    assert page.tables["worst"][0][1] == "relu"
    shaded = page.of_class("shade", "fault")
    assert len(shaded) == 1
    assert "relu: fault" in "".join(page.texts["title"]).replace("conv#4", "relu")


def test_every_value_is_in_the_table(wrong: Report) -> None:
    rows = Page.of(wrong.to_html()).tables["values"]
    told = [(v.name, v.type, v.value, v.verdict + (f": {v.note}" if v.note else "")) for v in wrong.layers]
    assert [(r[1], r[2], r[3], r[9]) for r in rows] == told
    assert [float(r[5]) for r in rows if r[5]] == [
        pytest.approx(v.local, rel=0.05) for v in wrong.layers if v.local is not None
    ]


def test_files_and_versions_are_told(wrong: Report) -> None:
    page = Page.of(wrong.to_html())
    told = {cells[0]: cells[1] for cells in page.tables[max(page.tables, key=list(page.tables).index)]}
    assert told == dict(wrong.files) and {len(sha) for sha in told.values()} == {64}
    assert all(f"{name} {version}" in page.texts["p"][-1] for name, version in wrong.versions.items())


def test_values_of_every_kind_have_their_place() -> None:
    report = made_up()
    page = Page.of(report.to_html())
    assert len(page.tables["values"]) == 40
    assert [float(r[8]) for r in page.tables["worst"]] == sorted(
        (float(r[8]) for r in page.tables["worst"]), reverse=True
    )
    assert len(page.tables["worst"]) == 10
    dots = [a for tag, a in page.elements if tag == "circle"]
    assert len(dots) == sum(row.error is not None and row.verdict != ABSENT for row in report.layers)
    assert len(page.of_class("fault")) == sum(row.verdict == FAULT for row in report.layers)
    assert "The net" not in page.texts["h2"]
    assert set(page.values("href")) <= {f"#{name}" for name in page.values("id")}
    cells = page.tables["values"][7]
    assert cells[5] == "inf" and cells[9] == "fault: has shape (2, 3); the reference has (3, 2)"


def test_larger_errors_are_drawn_higher() -> None:
    report = made_up(7)
    root = ET.fromstring(depth_plot(report.layers, None))
    dots = {d[0].text: float(d.attrib["cy"]) for d in root.iter("circle")}
    heights = [
        (row.error, y) for row, y in zip([r for r in report.layers if r.error is not None], dots.values(), strict=True)
    ]
    assert [y for _, y in sorted(heights)] == sorted(dots.values(), reverse=True)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert all(0 < float(t.attrib["x"]) < width and 0 < float(t.attrib["y"]) < height for t in root.iter("text"))
    decades = {
        float(t.text or ""): float(t.attrib["y"]) - 4 for t in root.iter("text") if (t.text or "").startswith("1e")
    }
    assert "≤1e-7" in [t.text for t in root.iter("text")]  # where the error of 0 is drawn
    at = math.log10(3e-3)
    below, above = decades[1e-3], decades[1e-2]
    assert dots["layer 2 (ReLU): local 3.0e-03, drift 3.0e-03, bar 1.0e-06, fault"] == pytest.approx(
        below + (above - below) * (at + 3), abs=0.2
    )


@pytest.mark.parametrize("rows", [1, 2, 13, 2000])
def test_nets_of_any_depth_can_be_plotted(rows: int) -> None:
    report = made_up(rows)
    root = ET.fromstring(depth_plot(report.layers, report.first_offender))
    ticks = [t.text for t in root.iter("text") if (t.text or "").isdigit()]
    assert ticks[0] == "0" and len(ticks) <= 13
    assert len(report.to_html()) < 2_000_000


def test_a_report_that_says_nothing_has_a_page() -> None:
    rows = tuple(row for row in made_up().layers if row.verdict in (SILENT, ABSENT))
    page = Page.of(replace(made_up(), layers=rows).to_html())
    assert page.texts["h1"] == ["net: not verified"]
    assert page.tables["worst"] == []


def test_histograms_count_both_sides(wrong: Report) -> None:
    by_name = {row.name: row.histogram for row in wrong.layers}
    same, apart = by_name["scale"], by_name["relu"]
    assert same is not None and apart is not None
    assert same.ours == same.reference
    assert apart.low < 0 and apart.reference[0] == 0 and apart.ours[0] > 0  # only the leaky one goes below zero
    for counts in (same, apart):
        assert len(counts.ours) == BINS
        assert sum(counts.ours) == sum(counts.reference) == sum(counts.apart) == 2 * 5 * 7 * 5
    page = Page.of(wrong.to_html())
    shown = [a for tag, a in page.elements if tag == "details" and a.get("name") == "histogram"]
    assert len(shown) == min(10, sum(row.histogram is not None for row in wrong.layers))
    assert "open" in shown[0] and "open" not in shown[1]


HISTOGRAMS = {
    "shapes differ": (np.ones((2, 3), np.float32), np.ones((3, 2), np.float32)),
    "empty": (np.ones((0, 3), np.float32), np.ones((0, 3), np.float32)),
    "nothing finite": (np.full(3, np.nan, np.float32), np.ones(3, np.float32)),
    "not whole": (None, np.ones(3, np.float32)),
}


@pytest.mark.parametrize(("ours", "reference"), HISTOGRAMS.values(), ids=HISTOGRAMS.keys())
def test_no_histogram_where_there_is_nothing_to_count(ours: np.ndarray | None, reference: np.ndarray) -> None:
    assert histogram(ours, reference, 1.0) is None


def test_histograms_of_samples_constants_and_large_blobs() -> None:
    ours = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    index = np.array([3, 17, 59])
    sample = Sample((3, 4, 5), index, (index + np.array([0, 0, 6])).astype(np.float32), 0, 0, 0, 60, 0)
    counts = histogram(ours, sample, 60.0)
    assert counts is not None and (counts.low, counts.high) == (3, 65)
    assert sum(counts.ours) == 3 and counts.apart[0] == 2
    assert DECADES[[i for i, n in enumerate(counts.apart) if n][-1]] == -1  # 6 / 60 lies in the bin from 1e-1
    flat = histogram(np.zeros(9, np.float32), np.zeros(9, np.float32), 0.0)
    assert flat is not None and flat.high > flat.low and sum(flat.ours) == 9
    large = histogram(np.zeros(10 * MOST, np.float32), np.ones(10 * MOST, np.float32), 1.0)
    assert large is not None and sum(large.ours) == sum(large.reference) == MOST


def nasty() -> Report:
    graph = graph_of(NASTY_NET)
    rows = [
        LayerReport(
            i, n.name, n.type, str(n.tops[0]), (2, 5), FAULT, local=0.5, drift=0.5, local_bar=1e-6, drift_bar=1e-6
        )
        for i, n in enumerate(graph.nodes)
    ]
    cause = Diagnosis(NASTY, 0.5, 1e-6, (Suspect("<b>eps</b> & 'so on'", 0.0),))
    files = {"<script>\"&'.h5": "0" * 64, "\udcff": "1" * 64}
    return Report(
        graph.name, "<i>net</i>" + "x" * 300, "a|b<c>.h5", tuple(rows), cause, ("<note> & | note",), files, graph=graph
    )


def test_names_are_text_in_html() -> None:
    report = nasty()
    page = Page.of(report.to_html())
    assert [r[1] for r in page.tables["values"]] == [row.name for row in report.layers]
    assert [tag for tag, _ in page.elements if tag in ("script", "i", "b")] == ["b", "script"]  # the cause, and our own
    assert page.texts["b"] == [str(report.diagnosis)]
    assert page.texts["h1"] == [f"{report.net}: FAILED"]
    assert "<note> & | note" in page.texts["li"]
    assert "<script>\"&'.h5" in [cells[0] for cells in page.tables[list(page.tables)[-1]]]
    assert outside(report.to_html()) == []


def test_names_are_text_in_markdown() -> None:
    """Every row of a table has its cells, and no sign of a name is Markdown or HTML."""
    text = nasty().to_markdown()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert set(widths[:7]) == {9} and len(rows) == 2 + 5 + 2 + 2
    assert not re.search(r"<(?!/?$)", text)
    assert not re.search(
        r"(?<!\\)[*_`](?!`?[01]{64}|local|drift|bar|\*)", re.sub(r"\*(local|drift|bar)\*|`[01]{64}`", "", text)
    )


def test_pages_are_one_file(wrong: Report, tmp_path: Path) -> None:
    text = wrong.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == text
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert outside(text) == []
    assert "default-src 'none'" in next(a["content"] for t, a in Page.of(text).elements if "http-equiv" in a)


def test_a_failed_report_leaves_the_file_as_it_was(
    wrong: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("before")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(caffe2py.CaffeError, match="need jinja2"):
        wrong.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "before"


def test_verify_says_at_once_that_it_cannot_write_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it reads any file: none of these is there."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = command("verify", "none.prototxt", "none.caffemodel", "--against", "none.h5", "--html", "report.html")
    assert (done.status, done.err) == (1, "caffe2py: pictures and pages need jinja2: pip install 'caffe2py[report]'\n")


def test_json_has_no_histograms(wrong: Report) -> None:
    assert all("histogram" not in row for row in wrong.to_dict()["layers"])


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MEASURE = """
addEventListener("load", () => {
  const found = [];
  for (const part of document.querySelectorAll("details")) { part.removeAttribute("name"); part.open = true; }
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page is wider than the window");
  for (const box of document.querySelectorAll("svg.net .box, svg.net .group, svg.net .entry")) {
    const rect = box.querySelector("rect").getBBox();
    for (const text of box.querySelectorAll("text")) {
      const b = text.getBBox();
      if (b.x < 0 || b.y < 0 || b.x + b.width > rect.width || b.y + b.height > rect.height + 1)
        found.push("outside its box: " + text.textContent);
    }
  }
  for (const plot of document.querySelectorAll("svg.plot")) {
    const texts = [...plot.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
    for (const [i, [name, a]] of texts.entries()) for (const [other, b] of texts.slice(i + 1))
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        found.push(name + " lies over " + other);
  }
  const table = document.querySelector("table#values, table#layers");
  const names = () => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[1].textContent);
  const before = names();
  const click = (column) => table.tHead.rows[0].cells[column].querySelector("button").click();
  click(0); click(0);
  if (names().join() !== before.reverse().join()) found.push("not sorted");
  const filter = document.querySelector("input.filter");
  filter.value = "sigmoid"; filter.dispatchEvent(new Event("input"));
  if (names().length !== 1) found.push("not filtered: " + names());
  const shown = document.createElement("pre");
  shown.id = "found"; shown.textContent = "[" + found.join("; ") + "]";
  document.body.append(shown);
});
"""


@needs(BROWSER, "Chromium")
@pytest.mark.parametrize("width", [1400, 500])
@pytest.mark.parametrize("page", ["nasty", "wrong"])
def test_in_a_browser_nothing_overflows(page: str, width: int, wrong: Report, tmp_path: Path) -> None:
    """Texts lie in their boxes and not over each other, the page fits the window, tables sort and filter."""
    text = (nasty() if page == "nasty" else wrong).to_html()
    (tmp_path / "page.html").write_text(text.replace("</body>", f"<script>{MEASURE}</script></body>"), encoding="utf-8")
    words = [
        str(BROWSER),
        *("--headless --no-sandbox --disable-gpu --disable-background-networking --dump-dom".split()),
        *(f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", f"file://{tmp_path}/page.html"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    assert found[1] == "[]"
