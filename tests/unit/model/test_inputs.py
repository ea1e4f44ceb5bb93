"""The merged view: what a step sees of everything before it."""

from __future__ import annotations

import copy
from collections import ChainMap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.inputs import NO_ITEM, StepInputs

from .strategies import json_values

NOT_MAPPINGS = [None, False, 0, 1.5, "text", [], [{"a": 1}]]

mappings = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)
outputs = st.dictionaries(st.sampled_from("abcd"), mappings | json_values, max_size=4)
items = st.just(NO_ITEM) | mappings | json_values


def test_starts_with_the_run_input():
    """
    The members of a run's input that is a mapping are members of the view.
    """
    inputs = StepInputs({"a": 1, "b": None})

    view = inputs.merged(is_root=True)

    assert view == {"a": 1, "b": None}


def test_an_output_overrides_the_run_input():
    """
    The members of a dependency's mapping output win over those of the run's input.
    """
    inputs = StepInputs({"a": "run", "b": "run"}, {"dep": {"a": "dep"}})

    view = inputs.merged(is_root=False)

    assert view == {"a": "dep", "b": "run", "dep": {"a": "dep"}}


@pytest.mark.parametrize(("order", "winner"), [("xy", "y"), ("yx", "x")])
def test_of_two_outputs_the_later_one_wins(order, winner):
    """
    Outputs are merged in the order in which they stand, which is that of step numbers.
    """
    inputs = StepInputs({}, {name: {"who": name} for name in order})

    view = inputs.merged(is_root=False)

    assert view["who"] == winner


def test_whole_outputs_stand_under_the_names_of_their_steps():
    """
    Every completed dependency is a member of the view, mapping or not.
    """
    inputs = StepInputs({}, {"x": [1], "y": None, "z": {"a": 1}})

    view = inputs.merged(is_root=False)

    assert view == {"x": [1], "y": None, "z": {"a": 1}, "a": 1}


def test_a_step_name_wins_over_a_member_of_a_later_output():
    """
    Whole outputs come after the members of all outputs, so that no output hides one.
    """
    inputs = StepInputs({"x": "run"}, {"x": 1, "y": {"x": 2}})

    view = inputs.merged(is_root=False)

    assert view["x"] == 1


def test_an_element_that_is_a_mapping_wins_over_all_else():
    """
    In a map task the members of the element come last.
    """
    inputs = StepInputs({"a": "run"}, {"dep": {"a": "dep"}}, item={"dep": "item"})

    view = inputs.merged(is_root=False)

    assert view == {"a": "dep", "dep": "item"}


@pytest.mark.parametrize("element", NOT_MAPPINGS)
def test_an_element_that_is_no_mapping_is_the_whole_view(element):
    """
    A map task whose element is no mapping gets the element itself, null included.
    """
    inputs = StepInputs({"a": 1}, {"dep": {"b": 2}}, item=element)

    view = inputs.merged(is_root=False)

    assert view is element


@pytest.mark.parametrize("run_input", NOT_MAPPINGS)
def test_a_root_step_gets_a_run_input_that_is_no_mapping(run_input):
    """
    A root step whose run input is no mapping gets that input itself.
    """
    inputs = StepInputs(run_input)

    view = inputs.merged(is_root=True)

    assert view is run_input


@pytest.mark.parametrize("run_input", NOT_MAPPINGS)
def test_a_later_step_does_not_see_a_run_input_that_is_no_mapping(run_input):
    """
    Such an input has no members; a step with dependencies sees their outputs only.
    """
    inputs = StepInputs(run_input, {"dep": 1})

    view = inputs.merged(is_root=False)

    assert view == {"dep": 1}


def test_a_skipped_dependency_is_absent():
    """
    A skipped dependency has no key in the view, not even a null one. (F 84)
    """
    inputs = StepInputs({}, {"done": 1})  # "gone" was skipped

    view = inputs.merged(is_root=False)

    assert view == {"done": 1}


def test_a_step_whose_dependencies_were_all_skipped_is_no_root():
    """
    Without any output left, a run input that is no mapping still is not the view.
    """
    inputs = StepInputs([1, 2], {})

    view = inputs.merged(is_root=False)

    assert view == {}


def test_the_view_is_fresh_and_its_values_are_shared():
    """
    A step may change the dict it gets without harm to others; what is in it is shared.
    """
    nested = {"deep": [1]}
    inputs = StepInputs({"nested": nested}, {"dep": {"a": 1}})

    view = inputs.merged(is_root=False)
    view["new"] = view.pop("dep")

    assert view["nested"] is nested
    assert inputs.run_input == {"nested": {"deep": [1]}}
    assert inputs.merged(is_root=False) == {
        "nested": nested,
        "a": 1,
        "dep": {"a": 1},
    }


@given(run_input=mappings | json_values, outputs=outputs, item=items)
def test_agrees_with_a_chain_of_layers(run_input, outputs, item):
    """
    Whatever there is, the view is the chain of its layers, the last one on top.
    """
    is_root = not outputs
    before = copy.deepcopy((run_input, outputs))
    layers = [run_input, *outputs.values(), outputs, item]
    chain = ChainMap(*[one for one in reversed(layers) if isinstance(one, dict)])
    expected = dict(chain)
    if item is not NO_ITEM and not isinstance(item, dict):
        expected = item
    elif item is NO_ITEM and is_root and not isinstance(run_input, dict):
        expected = run_input

    view = StepInputs(run_input, outputs, item).merged(is_root=is_root)

    assert view == expected
    assert (run_input, outputs) == before


def test_no_item_says_so():
    """
    The marker of "no element" is readable in a traceback.
    """
    text = repr(NO_ITEM)

    assert text == "NO_ITEM"


def test_a_task_of_a_root_step_has_a_run_input_and_nothing_else():
    """
    Outputs, element and position are for other tasks.
    """
    inputs = StepInputs({"a": 1})

    assert (inputs.outputs, inputs.item, inputs.index) == ({}, NO_ITEM, 0)
