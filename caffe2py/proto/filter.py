"""Which layers a net has in a phase: Caffe's include and exclude rules (net.cpp, FilterNet and StateMeetsRule)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from caffe2py.errors import CaffeError, NetError
from caffe2py.proto.schema import LayerParameter, NetParameter, NetState
from caffe2py.proto.text.prototxt import LayerText, NetText

PHASES = ("TRAIN", "TEST")  # by the numbers that the schema gives them


def filter_net(net: NetText, phase: str | None = "TEST", level: int | None = 0, stages: Iterable[str] = ()) -> NetText:
    """The net with the layers that its rules let in.

    With a phase or level of None the net's own `state` counts (TEST and 0 where it has none); `stages` are added to
    the net's own. A layer without a phase of its own inherits the net's. The state ends up in `message.state`.

    Raises NetError for a layer with both include and exclude rules.
    """
    message = NetParameter()
    message.CopyFrom(net.message)
    message.state.CopyFrom(state_of(net, phase, level, stages))
    kept = kept_layers(net, message.state)
    here = set(map(id, kept))
    left_out = (*net.left_out, *(layer for layer in net.layers if id(layer) not in here))
    layers = tuple(_in_phase(layer, message.state.phase) for layer in kept)
    return replace(net, message=message, layers=layers, left_out=left_out)


def state_of(net: NetText, phase: str | None = "TEST", level: int | None = 0, stages: Iterable[str] = ()) -> Any:
    """The NetState that a net is filtered for."""
    if phase is not None and phase not in PHASES:
        raise CaffeError(f'there is no phase "{phase}"; want TRAIN or TEST')
    state = NetState()
    state.CopyFrom(net.message.state)
    state.phase = state.phase if phase is None else PHASES.index(phase)
    if level is not None:
        state.level = level
    state.stage.extend(stages)
    return state


def kept_layers(net: NetText, state: Any) -> tuple[LayerText, ...]:
    """The layers that a state lets in, as they are written."""
    return tuple(layer for layer in net.layers if _is_in(layer, state))


def _is_in(layer: LayerText, state: NetState) -> bool:
    """No rule lets a layer in; one include rule that holds is enough, and one exclude rule that holds is too much."""
    include, exclude = layer.message.include, layer.message.exclude
    if include and exclude:
        raise NetError(
            f'layer "{layer.message.name}" ({layer.message.type}) has include and exclude rules; want one kind',
            layer.place,
        )
    if include:
        return any(meets(state, rule) for rule in include)
    return not any(meets(state, rule) for rule in exclude)


def meets(state: NetState, rule: Any) -> bool:
    """Does all that a NetStateRule says hold for the state?"""
    stages = set(state.stage)
    return (
        not (rule.HasField("phase") and rule.phase != state.phase)
        and not (rule.HasField("min_level") and state.level < rule.min_level)
        and not (rule.HasField("max_level") and state.level > rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def what_lets_in(layer: Any, state: Any) -> str:
    """The options of the command line that would let in a layer which its rules leave out of a state."""
    if layer.include:
        return min((_to_meet(rule, state) for rule in layer.include), key=len)
    return " ".join(_to_break(rule) for rule in layer.exclude if meets(state, rule))


def _to_meet(rule: Any, state: Any) -> str:
    words = [f"--stage {stage}" for stage in rule.stage if stage not in state.stage]
    words += [f"no --stage {stage}" for stage in rule.not_stage if stage in state.stage]
    if rule.HasField("phase") and rule.phase != state.phase:
        words.append(f"--phase {PHASES[rule.phase]}")
    if rule.HasField("min_level") and state.level < rule.min_level:
        words.append(f"--level {rule.min_level}")
    if rule.HasField("max_level") and state.level > rule.max_level:
        words.append(f"--level {rule.max_level}")
    return " ".join(words)


def _to_break(rule: Any) -> str:
    if rule.HasField("phase"):
        return f"--phase {PHASES[1 - rule.phase]}"
    if rule.stage:
        return f"no --stage {rule.stage[0]}"
    if rule.not_stage:
        return f"--stage {rule.not_stage[0]}"
    if rule.HasField("min_level"):
        return f"--level {rule.min_level - 1}"
    return f"--level {rule.max_level + 1}" if rule.HasField("max_level") else "nothing"


def without_rules(net: NetText) -> NetText:
    """A filtered net as a net of its own: the choice is made, so its rules, its state and the phase of it are gone.

    Given::

        state { phase: TEST }   layer { name: "a" phase: TEST include { stage: "deploy" } }

    Result::

        layer { name: "a" }
    """
    message = NetParameter()
    message.CopyFrom(net.message)
    message.ClearField("state")
    return replace(net, message=message, layers=tuple(_bare(layer, net.message.state.phase) for layer in net.layers))


def _bare(layer: LayerText, phase: int) -> LayerText:
    message = LayerParameter()
    message.CopyFrom(layer.message)
    for field in ("include", "exclude", *(["phase"] if message.phase == phase else [])):
        message.ClearField(field)
    return replace(layer, message=message)


def _in_phase(layer: LayerText, phase: int) -> LayerText:
    if layer.message.HasField("phase"):
        return layer
    message = LayerParameter()
    message.CopyFrom(layer.message)
    message.phase = phase
    return replace(layer, message=message)
