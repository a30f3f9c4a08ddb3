"""The App's key is understood in every form that secret stores and workflows leave it in."""

import base64

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from github_world import app_key
from hypothesis import given, settings
from hypothesis import strategies as st

from secret_action.private_key import parse_private_key


def private_pem(key, form=serialization.PrivateFormat.PKCS8, encryption=None) -> str:
    return key.private_bytes(serialization.Encoding.PEM, form, encryption or serialization.NoEncryption()).decode()


def literal_newlines(text: str) -> str:
    return text.replace("\n", "\\n")


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def in_wrapped_base64(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


FORMS = {
    "as it is": lambda text: text,
    "literal newlines": literal_newlines,
    "literal CRLF": lambda text: text.replace("\n", "\\r\\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "spaces for newlines": lambda text: text.replace("\n", " "),
    "indented": lambda text: text.replace("\n", "\n    "),
    "double quotes": lambda text: f'"{text}"',
    "single quotes and newlines": lambda text: f"'{literal_newlines(text)}'\n",
    "base64": in_base64,
    "base64 of 76 columns": in_wrapped_base64,
    "base64 of literal newlines": lambda text: in_base64(literal_newlines(text)),
    "quoted base64": lambda text: f' "{in_base64(text)}"\r\n',
    "byte order mark": lambda text: "\ufeff" + text,
}


@pytest.mark.parametrize("kind", [0, 1], ids=["PKCS#1", "PKCS#8"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_a_key_that_signs(form: str, kind: int) -> None:
    pem = parse_private_key(FORMS[form](app_key()[kind]))

    assert pem == app_key()[kind]
    signed = jwt.encode({"iss": "1"}, pem, algorithm="RS256")
    assert jwt.decode(signed, app_key()[2], algorithms=["RS256"]) == {"iss": "1"}


@given(
    form=st.sampled_from(sorted(FORMS)),
    before=st.text(" \t\r\n\"'", max_size=4),
    after=st.text(" \t\r\n\"'", max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_quotes_and_white_space_around_it_do_not_matter(form: str, before: str, after: str) -> None:
    assert parse_private_key(before + FORMS[form](app_key()[0]) + after) == app_key()[0]


RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
LINES = app_key()[0].splitlines()
REFUSED = {
    "empty": ("", "it is empty"),
    "blank": (" \n\t", "it is empty"),
    "quotes alone": ("''", "it is empty"),
    "prose": ("the key is in the vault", "neither PEM text nor base64"),
    "base64 of prose": (in_base64("the key is in the vault"), "does not begin"),
    "base64 of bytes": (base64.b64encode(bytes(range(256))).decode(), "neither PEM text nor base64"),
    "no first line": ("\n".join(LINES[1:]), "does not begin"),
    "cut off": ("\n".join(LINES[:-1]), "was cut off"),
    "cut in the middle": ("\n".join([*LINES[:10], LINES[-1]]), "damaged or cut off"),
    "half of the last line": ("\n".join(LINES)[:-10], "was cut off"),
    "public key": (app_key()[2], "it is a public key"),
    "EC key": (private_pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
    "EC key of its own format": (
        private_pem(ec.generate_private_key(ec.SECP256R1()), serialization.PrivateFormat.TraditionalOpenSSL),
        "not an RSA key",
    ),
    "Ed25519 key": (private_pem(ed25519.Ed25519PrivateKey.generate()), "not an RSA key"),
    "OpenSSH": (private_pem(RSA, serialization.PrivateFormat.OpenSSH), "OpenSSH"),
    "encrypted": (private_pem(RSA, encryption=serialization.BestAvailableEncryption(b"x")), "passphrase"),
    "encrypted, old format": (
        private_pem(RSA, serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"x")),
        "passphrase",
    ),
    "certificate": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "it is a certificate"),
    "two labels": ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "was cut off"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_app_key_is_refused_in_words(case: str) -> None:
    text, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        parse_private_key(text)


@given(st.integers(0, len(app_key()[0]) - 2), st.integers(1, 200), st.sampled_from(sorted(FORMS)))
@settings(max_examples=100, deadline=None)
def test_a_damaged_key_is_refused_without_a_word_of_it(start: int, length: int, form: str) -> None:
    """No eight characters of the key's body stand in the message, nor in an exception behind it."""
    pem = app_key()[0]
    damaged = pem[:start] + pem[start + length :]
    try:
        assert parse_private_key(FORMS[form](damaged)) == pem
    except ValueError as error:
        raised = error
    else:
        return
    assert raised.__context__ is None or raised.__suppress_context__
    assert raised.__cause__ is None
    body = "".join(LINES[1:-1])
    assert not any(body[at : at + 8] in str(raised) for at in range(len(body) - 8))
