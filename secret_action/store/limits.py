"""What SSM takes as a name and as a value, so that the plan can refuse the rest before the first write.

Limits are AWS's own: "PutParameter" in the Systems Manager API Reference. No text here ever holds a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STANDARD_BYTES = 4096
ADVANCED_BYTES = 8192
STANDARD = "Standard"

_NAME_AND_ARN = 1011
_LEVELS = 15
_NAME_CHARACTERS = re.compile(r"[a-zA-Z0-9_.\-/]+")
_RESERVED_PREFIXES = ("aws", "ssm")
_DESCRIPTION_CHARACTERS = 1024
_DOUBLE_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """Why SSM would refuse a name or a value: `what` continues a sentence that begins with its path."""

    what: str
    remedy: str


def partition(region: str) -> str:
    """The partition in the ARNs of this region: `aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def name_fault(name: str, region: str) -> Fault | None:
    """What is wrong with the name of a parameter in this region, or None.

    SSM answers nearly every wrong name with the same misleading text about a prefix, so it is judged here.
    An ARN, as ESO reads a parameter that another account shares, is not judged.
    """
    if name.startswith("arn:"):
        return None
    remedy = "Rename it in the manifest."
    if not _NAME_CHARACTERS.fullmatch(name):
        return Fault("has characters that SSM does not take in a name: only a-z A-Z 0-9 _ . - and /", remedy)
    levels = name.removeprefix("/").split("/")
    if "" in levels or ("/" in name and not name.startswith("/")):
        return Fault("is not a full path: it begins with one /, and no part of it is empty", remedy)
    if len(levels) > _LEVELS:
        return Fault(f"has more than {_LEVELS} levels, the most that SSM takes", remedy)
    if levels[0].lower().startswith(_RESERVED_PREFIXES):
        return Fault("begins with aws or ssm, which AWS reserves", remedy)
    room = _NAME_AND_ARN - len(f"arn:{partition(region)}:ssm:{region}:123456789012:parameter")
    if len(name) > room:
        return Fault(f"is longer than {room} characters: SSM takes {_NAME_AND_ARN} with the ARN in front of it", remedy)
    return None


def value_fault(text: str) -> Fault | None:
    """What makes SSM refuse a value in every tier, or None."""
    if not text:
        return Fault("would get an empty value, which SSM refuses", "Give it a value.")
    if "\0" in text:
        return Fault(
            "would get a value with a NUL byte, which neither SSM nor an environment variable can carry",
            "Store binary content base64-encoded, with `decodingStrategy: Base64` in the ExternalSecret.",
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        return Fault(
            "would get a value that is not Unicode text (half of a surrogate pair)",
            "Store binary content base64-encoded, with `decodingStrategy: Base64` in the ExternalSecret.",
        )
    if _DOUBLE_BRACES.search(text):
        return Fault(
            "would get a value with {{…}}, which SSM takes for a reference to another parameter and refuses",
            "Store it base64-encoded, with `decodingStrategy: Base64` in the ExternalSecret's remoteRef.",
        )
    if byte_count(text) > ADVANCED_BYTES:
        return Fault(
            f"would get a value over {ADVANCED_BYTES:,} bytes, the most that SSM takes in any tier",
            "Split it over several parameters, or keep it in another store.",
        )
    return None


def description_fault(text: str) -> Fault | None:
    """What is wrong with a description, or None."""
    if len(text) <= _DESCRIPTION_CHARACTERS:
        return None
    return Fault(
        f"has a description of more than {_DESCRIPTION_CHARACTERS:,} characters", "Shorten it in secrets.yaml."
    )


def byte_count(text: str) -> int:
    """Size of a value as SSM counts it. KMS, which encrypts it, counts UTF-8 bytes."""
    return len(text.encode("utf-8", "surrogatepass"))
