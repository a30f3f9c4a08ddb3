"""What may be shown of a text of External Secrets Operator's (ESO): all but what quotes a value.

A run that refreshes alone knows no values, so none could be hidden. Functions of templates, and whatever parses or
decodes, say what they could not work with; of those only what comes before is shown.
"""

from __future__ import annotations

import re

from secret_action.cluster.errors import one_line, shortened

LEFT_OUT = "(what it says may quote a value, and is left out)"

# Go: `template: NAME:LINE:COLUMN: executing "NAME" at <PART OF THE TEMPLATE>: …`
_EXECUTING = re.compile(r'executing ".*?" at <.*?>: ')
# What Go itself says there of names and types alone. `range can't iterate over` and its like print what they met.
_OF_NAMES = re.compile(
    r"(?:map has no entry for key|nil data; no entry for key|nil pointer evaluating|can't evaluate field"
    r"|wrong type for value; expected|wrong number of args for|invalid value; expected|can't give argument to"
    r"|template \"[^\"]*\" not defined|exceeded maximum template depth) ?"
)
# After these comes what somebody says of a value, or of a key that was made of one.
_OF_VALUES = re.compile(
    r"error calling \w+: "
    r"|could not unmarshal template to '[^']*': "
    r"|unable to unmarshal secret \S+: "
    r"|error applying (?:decoding|conversion) strategy \S* ?to \w+: "
    r"|error applying rewrite to keys: "
    r"|invalid secret keys(?: \(TIP: [^)]*\))?: "
    r"|cannot be handled as a \w+: "
    r"|(?<![\w./-])(?=json: cannot unmarshal |invalid character '|illegal base64 data|yaml: |error unmarshall?ing )"
)
# Kubernetes: `metadata.labels: Invalid value: "…": …`, `data[KEY]: …`. A Secret's type is no value.
_FIELD = re.compile(r"\b(data|stringData|metadata\.\w+)\[.*?\](?=: )")
_INVALID = re.compile(r'(?<!\btype: )\b((?:Invalid|Unsupported|Duplicate) value: )("(?:[^"\\]|\\.)*"|.*)')


class Said(str):
    """One line of ESO's, as far as it may be shown."""

    raw: str
    """All of it: to be searched, and never shown."""

    def __new__(cls, line: str) -> Said:
        said = super().__new__(cls, quotable(line))
        said.raw = line
        return said


def said(outside: str) -> Said:
    """A text of ESO's as it came: in one line, known values hidden."""
    return Said(one_line(outside))


def short(outside: str) -> str:
    """The same, at most 300 characters of it."""
    return shortened(said(outside))


def quotable(line: str) -> str:
    """The line without what may quote a value."""
    executing = _EXECUTING.search(line)
    if executing and not _OF_NAMES.match(line, executing.end()) and not _OF_VALUES.match(line, executing.end()):
        return line[: executing.end()] + LEFT_OUT
    if found := _OF_VALUES.search(line):
        return line[: found.end()] + LEFT_OUT
    return _INVALID.sub(r"\1…", _FIELD.sub(r"\1[…]", line))


def whole(line: str) -> str:
    """All of a line, for whoever looks for something in it."""
    return line.raw if isinstance(line, Said) else line
