"""Prototxts with variables: filled in, or told which they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import caffe2py
from caffe2py.errors import PrototxtError
from caffe2py.proto import parse_net
from tests.helpers.nets import command

TEMPLATE = """# sizes: $UNUSED$
name: "flow $TAG$"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: $TARGET_HEIGHT$ dim: $ADAPTED_WIDTH$ } } } # $NEITHER$
layer { name: "half" type: "Power" bottom: "data" top: "half" power_param { scale: $SCALE$ } }
"""
VALUES = {"TARGET_HEIGHT": 96, "ADAPTED_WIDTH": 128, "SCALE": 0.5}


def test_a_template_is_filled() -> None:
    net = parse_net(TEMPLATE, variables=VALUES)
    assert list(net.layers[0].message.input_param.shape[0].dim) == [1, 3, 96, 128]
    assert net.layers[1].message.power_param.scale == 0.5
    assert net.name == "flow $TAG$"  # text in quotes may be anything, and is filled where somebody says so
    assert parse_net(TEMPLATE, variables={**VALUES, "TAG": "s"}).name == "flow s"
    assert net.layers[1].place.line == 5


def test_quotes_without_an_end_have_one() -> None:
    """As many steps as signs: by the square of them this would not end today."""
    with pytest.raises(PrototxtError, match=r"\$a\$ is a variable"):
        parse_net("$a$ '" + "\\'" * 500_000)


@pytest.mark.parametrize("given", [{}, {"ADAPTED_WIDTH": 1}])
def test_without_values_every_variable_is_listed(given: dict[str, object]) -> None:
    with pytest.raises(PrototxtError) as error:
        parse_net(TEMPLATE, "flow.prototxt.template", given)
    assert str(error.value) == (
        "flow.prototxt.template:4:44: $TARGET_HEIGHT$ is a variable of a template; want a value (--set NAME=VALUE) for "
        "each of its variables: TARGET_HEIGHT, ADAPTED_WIDTH, SCALE"
    )


@pytest.mark.parametrize(
    "text, have",
    [(TEMPLATE, "TARGET_HEIGHT, ADAPTED_WIDTH, SCALE, TAG"), ('layer { name: "a" type: "Input" }', "none")],
)
def test_a_variable_that_there_is_not(text: str, have: str) -> None:
    values = {**VALUES, "WIDTH": 1} if text is TEMPLATE else {"WIDTH": 1}
    with pytest.raises(PrototxtError, match=rf"^net: there is no variable \$WIDTH\$ in it; its variables: {have}$"):
        parse_net(text, "net", values)


def test_a_value_that_does_not_fit_is_told_where_it_stands() -> None:
    with pytest.raises(PrototxtError, match=r'^net:4:44: dim is a whole number, not the word "wide"'):
        parse_net(TEMPLATE, "net", {**VALUES, "TARGET_HEIGHT": "wide"})


def test_commands_take_values(tmp_path: Path) -> None:
    path, new = tmp_path / "net.template", tmp_path / "net.prototxt"
    path.write_text(TEMPLATE)
    sets = [word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")]
    done = command("show", path, *sets)
    assert done.status == 0 and "(1, 3, 96, 128)" in done.out
    assert command("show", path).status == 1
    assert command("upgrade", path, "-o", new, *sets).status == 0
    assert caffe2py.load(new).inputs == caffe2py.load(path, variables=VALUES).inputs == {"data": (1, 3, 96, 128)}
    done = command("show", path, "--set", "=3")
    assert done.status == 2 and "want NAME=VALUE" in done.err
