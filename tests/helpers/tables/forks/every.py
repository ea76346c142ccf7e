"""All tables of the forks' layers."""

from __future__ import annotations

from tests.helpers.tables.forks.normalization import NORMALIZATION
from tests.helpers.tables.forks.vision import VISION

FORMULA_CASES = [*NORMALIZATION, *VISION]
