"""A configuration given as a dictionary, as TOML for the program."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from ._errors import SpectrankError


def toml(config: Mapping[str, Any]) -> str:
    """One line per key; tables and arrays of tables are written inline.

    Raises:
        SpectrankError: A value that TOML has no form for.
    """
    return "".join(f"{_text(str(key))} = {_value(value, str(key))}\n" for key, value in config.items())


def _value(value: Any, key: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        # `nan` and `inf` are spelt alike in both languages.
        return repr(number) if math.isfinite(number) else str(number)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(k))} = {_value(v, f'{key}.{k}')}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return "[" + ", ".join(_value(v, f"{key}[{i}]") for i, v in enumerate(value)) + "]"
    cure = "leave the key out" if value is None else "use text, numbers, truth values, lists and dictionaries"
    raise SpectrankError(f"config: {key} is {type(value).__name__}: {cure}")


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for one character that JSON lets stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
