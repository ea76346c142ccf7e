"""What all tests share."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run long sweeps whole instead of a sample of them")


@pytest.fixture(scope="session")
def whole(pytestconfig: pytest.Config) -> bool:
    """Whether long sweeps run whole."""
    return bool(pytestconfig.getoption("--all"))


@pytest.fixture(scope="session", autouse=True)
def no_terminal() -> None:
    """What is printed is as wide as it wants: pytest-xdist tells its workers how wide the terminal is."""
    os.environ.pop("COLUMNS", None)
