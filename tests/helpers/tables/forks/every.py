"""All tables of the forks' layers."""

from __future__ import annotations

from tests.helpers.tables.forks.activation import ACTIVATION
from tests.helpers.tables.forks.crf import CRF
from tests.helpers.tables.forks.flow import FLOW
from tests.helpers.tables.forks.normalization import NORMALIZATION
from tests.helpers.tables.forks.recurrent import RECURRENT
from tests.helpers.tables.forks.utility import UTILITY
from tests.helpers.tables.forks.vision import VISION

FORMULA_CASES = [*ACTIVATION, *CRF, *FLOW, *NORMALIZATION, *RECURRENT, *UTILITY, *VISION]
