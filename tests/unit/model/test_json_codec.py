"""encode_json: what JSON and PostgreSQL can hold goes through, nothing else does."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections import ChainMap, OrderedDict, UserDict, namedtuple
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from singularity_workflow.model.json_codec import (
    NotJson,
    decode_json,
    encode_json,
    find_problem,
    show_path,
)

from .strategies import json_values, texts


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    FAST = "fast"


class Odd(enum.Enum):
    NAN = math.nan
    SET = frozenset({1})


class Blob(BaseModel):
    data: bytes


class Key(str):
    """A key with manners of its own."""

    __slots__ = ()


class Ratio(float):
    """A number of its own class, as numpy has them."""


class Model(BaseModel):
    kind: str = Field(default="a", alias="type")
    price: float = 1.5


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - untyped ones are written too


@given(json_values)
def test_json_values_survive_the_round_trip(value):
    """
    What was encoded is decoded as the same value, of the same types. (U 216)
    """
    decoded = decode_json(encode_json(value))

    assert decoded == value
    assert repr(decoded) == repr(value)


@given(json_values)
def test_the_bytes_are_json_for_everybody(value):
    """
    The standard library reads the same value.
    """
    assert json.loads(encode_json(value)) == value


@pytest.mark.parametrize("value", [0, False, "", {}, [], None, -0.0, 1e16, "\\u0000"])
def test_empty_and_awkward_values_survive(value):
    """
    Nothing that is empty turns into something else. (U 216)
    """
    decoded = decode_json(encode_json({"a": [value]}))

    assert repr(decoded) == repr({"a": [value]})


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (UserDict({"a": ChainMap({"b": 1})}), {"a": {"b": 1}}),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Mode.FAST, "fast"),
        ({Mode.FAST: 1, Key("k"): 2}, {"fast": 1, "k": 2}),
        (Ratio(0.5), 0.5),
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Model(), {"type": "a", "price": 1.5}),
        ([{"a": Model(type="b")}], [{"a": {"type": "b", "price": 1.5}}]),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(12, 30), "12:30:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        ([None, -(2**63), 2**64 - 1], [None, -(2**63), 2**64 - 1]),
    ],
)
def test_values_with_one_obvious_form_are_accepted(value, decoded):
    """
    Tuples, mappings, enum members, records, dates and subclasses of plain types.
    """
    assert decode_json(encode_json(value)) == decoded


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (math.nan, "$", "nan is not a JSON number"),
        ({"a": [1, math.inf]}, "$.a[1]", "inf is not a JSON number"),
        ({"a": {"b": -math.inf}}, "$.a.b", "-inf is not a JSON number"),
        ([Ratio("nan")], "$[0]", "nan is not a JSON number"),
        ([None, Model(price=math.nan)], "$[1].price", "nan is not a JSON number"),
        ({"p": Point(1, math.nan)}, "$.p.y", "nan is not a JSON number"),
        ([2**64], "$[0]", "is an integer beyond 64 bits"),
        ([-(2**63) - 1], "$[0]", "is an integer beyond 64 bits"),
        ({"a": 10**30}, "$.a", "is an integer beyond 64 bits"),
        ({"a": b"x"}, "$.a", "bytes is not JSON"),
        ({"a": [bytearray(b"x")]}, "$.a[0]", "bytearray is not JSON"),
        ([{1, 2}], "$[0]", "set is not JSON"),
        ([Odd.SET], "$[0]", "frozenset is not JSON"),
        ([Odd.NAN], "$[0]", "nan is not a JSON number"),
        ([Blob(data=b"\xff")], "$[0]", "cannot be dumped: "),
        ([frozenset()], "$[0]", "frozenset is not JSON"),
        ({"price": Decimal("1.5")}, "$.price", "Decimal is not JSON"),
        ([1j], "$[0]", "complex is not JSON"),
        ([object()], "$[0]", "object is not JSON"),
        ([len], "$[0]", "builtin_function_or_method is not JSON"),
        ([Point], "$[0]", "type is not JSON"),
        ((n for n in ()), "$", "generator is not JSON"),
        ({"a": "\ud800"}, "$.a", "contains a lone surrogate"),
        ({"a": {"\udfff": 1}}, "$.a", "has the key '\\udfff', which contains a lone"),
        (["a\x00b"], "$[0]", "contains the NUL character"),
        (["\\\x00"], "$[0]", "contains the NUL character"),
        ({"a": {"b\x00": 1}}, "$.a", "has the key 'b\\x00', which contains the NUL"),
        ({"a": {1: 2}}, "$.a", "has the key 1, which is not a string"),
        ({None: 2}, "$", "has the key None, which is not a string"),
        ({Level.HIGH: 2}, "$", "has the key <Level.HIGH: 3>, which is not a string"),
        ([time(1, tzinfo=UTC)], "$[0]", "time is not JSON (datetime"),
        ({"a": Point(1, {2})}, "$.a.y", "set is not JSON"),
        (Pair(1, {2}), "$[1]", "set is not JSON"),
        ({"a b": [{"c": (b"", 1)}]}, "$['a b'][0].c[0]", "bytes is not JSON"),
        ([UserDict(a={1})], "$[0].a", "set is not JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_path(value, path, reason):
    """
    The error says where in the value the trouble is, and what it is.
    """
    with pytest.raises(NotJson) as caught:
        encode_json(value)

    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)
    assert str(caught.value) == f"{path}: {caught.value.reason}"


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}])
def test_a_value_that_contains_itself_is_refused(wrap):
    """
    A circle is reported and not followed for ever.
    """
    inner: list[object] = []
    inner.append(wrap(inner))

    with pytest.raises(NotJson, match="levels deep, or contains itself") as caught:
        encode_json(inner)

    assert len(caught.value.path) < 100


def nested(depth):
    """Return a null in so many lists."""
    value: object = None
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [255, 10_000])
def test_nesting_has_a_limit(depth):
    """
    A depth that encoders and PostgreSQL have no room for is refused.
    """
    assert encode_json(nested(254)) == b"[" * 254 + b"null" + b"]" * 254
    with pytest.raises(NotJson, match="more than 254 levels deep"):
        encode_json(nested(depth))


def test_the_reason_is_short_where_the_type_says_all():
    """
    What another library says about a type is left out.
    """
    with pytest.raises(NotJson) as caught:
        encode_json([{1}])

    assert str(caught.value) == "$[0]: set is not JSON"


BAD = st.sampled_from([math.nan, math.inf, 2**64, b"", {1}, "\ud800", "\x00", 1j])


@given(json_values, st.lists(st.integers(0, 3) | texts, max_size=5), BAD)
def test_a_bad_value_is_found_wherever_it_is(value, path, bad):
    """
    One thing that is not JSON makes the whole value refused, with the path to it.
    """
    whole: object = bad
    for part in reversed(path):
        whole = {part: whole} if isinstance(part, str) else [*([value] * part), whole]

    with pytest.raises(NotJson) as caught:
        encode_json(whole)

    assert caught.value.path == show_path(path)


@given(json_values)
def test_a_good_value_has_no_problem(value):
    """
    The search for problems finds none in what can be stored.
    """
    assert find_problem(value) is None


@given(texts)
def test_a_backslash_is_no_nul(text):
    """
    Text that looks like an escaped NUL character is text.
    """
    value = [text + "\\u0000", "\\" * 3 + "u0000"]

    assert decode_json(encode_json(value)) == value


@pytest.mark.parametrize("data", [b"", b"{", b"nan", b"{'a': 1}", b"\xff", "[1,]"])
def test_what_is_no_json_cannot_be_decoded(data):
    """
    Malformed bytes are a ValueError.
    """
    with pytest.raises(ValueError, match=r"."):
        decode_json(data)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], "$"),
        (["items", 3, "price"], "$.items[3].price"),
        (["a b", "1", "_x"], "$['a b']['1']._x"),
        ([(1, 2)], "$[(1, 2)]"),
    ],
)
def test_a_path_is_written_as_in_code(parts, text):
    """
    Keys follow a dot if they can, positions stand in brackets.
    """
    assert show_path(parts) == text
