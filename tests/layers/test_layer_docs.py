"""docs/layers.md is what the registry says."""

from __future__ import annotations

from tools.make_layer_docs import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tools.make_layer_docs"
