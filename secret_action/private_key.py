"""The App's private key, in whatever form a secret store and a workflow have left it.

Pure text in, PEM text out. No message ever quotes any part of the key.
"""

from __future__ import annotations

import base64
import binascii
import re
import textwrap

_ENVELOPE = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END ([A-Z0-9 ]+)-----", re.DOTALL)
_HOW = "generate a private key in the App's settings (it downloads as a .pem file) and hand over that whole file"


def parse_private_key(text: str) -> str:
    """The App's RSA private key as PEM text, one line feed after each line.

    Accepts PEM (PKCS#1 and PKCS#8), also with literal `\\n`, CRLF or spaces for line ends, within quotes or
    white space, and base64 of any of these. Raises ValueError with a sentence for the reader where the text is
    no such key; the sentence begins in lower case (`it is empty`) and holds nothing of the text.
    """
    pem = _unescape(text)
    if not pem:
        raise ValueError(
            "it is empty: the secret does not exist, or this job is not given it (a forgotten `environment:` "
            "or `secrets: inherit`, a fork's or Dependabot's run)"
        )
    if "-----" not in pem:
        pem = _unescape(_from_base64(pem))
    if "-----BEGIN " not in pem:
        raise ValueError(f"it does not begin with a `-----BEGIN …-----` line; {_HOW}")
    envelope = _ENVELOPE.search(pem)
    if envelope is None or envelope[1] != envelope[3]:
        raise ValueError(f"its `-----END …-----` line is missing: the key was cut off; {_HOW}")
    label, body = envelope[1], envelope[2]
    _refuse_other_kinds(label, body)
    lines = "\n".join(textwrap.wrap("".join(body.split()), 64))
    canonical = f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
    _load(canonical)
    return canonical


def _unescape(text: str) -> str:
    """Without what shells, YAML and `.env` files put around a value, and with real line feeds."""
    bare = text.strip("\ufeff \t\r\n\"'`")
    return bare.replace("\\r", "").replace("\\n", "\n").replace("\r\n", "\n").strip()


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError, ValueError):
        raise ValueError(f"it is neither PEM text nor base64 of PEM text; {_HOW}") from None


def _refuse_other_kinds(label: str, body: str) -> None:
    if "ENCRYPTED" in label or "ENCRYPTED" in body:
        raise ValueError(f"it is encrypted with a passphrase; {_HOW} (GitHub's own are not encrypted)")
    if "PUBLIC" in label:
        raise ValueError(f"it is a public key, and the private one is needed; {_HOW}")
    if "CERTIFICATE" in label:
        raise ValueError(f"it is a certificate, not a private key; {_HOW}")
    if "OPENSSH" in label:
        raise ValueError(f"it is an SSH key in OpenSSH's format (a deploy key?), not the App's key; {_HOW}")
    if label not in {"RSA PRIVATE KEY", "PRIVATE KEY"}:
        raise ValueError(f"it is not an RSA key, and a GitHub App's key always is; {_HOW}")


def _load(pem: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"it is damaged or cut off: it cannot be read as a key; {_HOW}") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"it is not an RSA key, and a GitHub App's key always is; {_HOW}")
