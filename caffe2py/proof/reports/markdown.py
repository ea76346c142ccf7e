"""A report as Markdown: for a pull request, a README, an archive."""

from __future__ import annotations

from caffe2py.proof.reports.findings import Findings, LayerReport, number, shape_text

WORST = 20  # rows of the table


def markdown(report: Findings) -> str:
    """The verdict, the probable cause, the worst values, and the files' hashes."""
    lines = [
        f"# {_cell(report.net)}: {'verified' if report.ok else 'NOT verified'}",
        "",
        _cell(report.verdict),
        *(line for said in report.remarks for line in ("", _cell(said[:1].upper() + said[1:]))),
        "",
        f"Model: {_cell(report.model)}. Reference: {_cell(report.dump)}.",
        "",
        "Errors are max\\|ours - reference\\| / max\\|reference\\|: *local* of the layer alone, *drift* from the net's "
        "inputs on; *bar* is what float32 explains.",
        "",
        "| layer | type | value | shape | local | drift | bar | |",
        "|---|---|---|---|--:|--:|--:|---|",
        *(_row(row) for row in report.ranked()[:WORST]),
    ]
    if report.notes:
        lines += ["", *(f"- {_cell(n)}" for n in report.notes)]
    if report.files:
        lines += ["", "| file | sha256 |", "|---|---|", *(f"| {_cell(f)} | `{h}` |" for f, h in report.files.items())]
    lines += ["", ", ".join(f"{name} {version}" for name, version in report.versions.items())]
    return "\n".join(lines).rstrip() + "\n"


def _row(row: LayerReport) -> str:
    errors = (number(row.local), number(row.drift), number(row.bar))
    said = (row.name, row.type, row.value, shape_text(row), *errors, row.verdict)
    return f"| {' | '.join(map(_cell, said))} |"


def _cell(text: str) -> str:
    """Text that stays text: no Markdown sign, HTML tag or line end of a name is one here."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    for sign in "\\`*_[]|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
