"""A secret value: a type that cannot print, format, pickle or compare itself into a message.

`reveal()` is the only way to the text, so a search for that word finds every place that handles one.
"""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, SupportsIndex


class SecretValue:
    """Holds the text of one secret. Equality takes the same time wherever the texts differ."""

    __slots__ = ("__text",)
    __hash__ = None  # type: ignore[assignment]  # a hash would order a set by the value

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself. Call it only to send it to SSM, to compute a hash for the proof, or to mask it."""
        return self.__text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        mine, theirs = (value.reveal().encode("utf-8", "surrogatepass") for value in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __repr__(self) -> str:
        return "<secret value>"

    def __str__(self) -> NoReturn:
        # Not a placeholder: `str(value)` by mistake must never be written to SSM as if it were the value.
        raise TypeError("a secret value does not become text; reveal() is the deliberate way")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret value does not become text; reveal() is the deliberate way")

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret value is not written anywhere: it cannot be pickled or copied")

    def __copy__(self) -> SecretValue:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SecretValue:
        return self
