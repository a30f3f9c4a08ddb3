"""No form of a value gets through the redactor, and ordinary words do."""

import base64
import json
import shlex
import urllib.parse
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secret_action.masking import HIDDEN, SHORTEST_DERIVED, SHORTEST_PART, SHORTEST_VALUE, Redactor, forms_of
from secret_action.model import Problem, RunReport

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7\n-----END KEY-----\n"
VALUES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=12, max_size=60)


def redactor(*values):
    result = Redactor()
    for value in values:
        result.add(value)
    return result


@given(VALUES, st.binary(max_size=5), st.binary(max_size=5))
def test_base64_at_every_shift_is_hidden(value, before, after):
    """A value inside a longer text that is encoded whole leaves at most its first and last three bytes' bits."""
    encoded = base64.b64encode(before + value.encode() + after).decode()
    core = base64.b64encode(value.encode()).decode()
    shown = redactor(value).redact(encoded)
    assert HIDDEN in shown
    assert core[4:-4] not in shown or len(core) <= 8


def go_json(text):
    """As Go's json.Marshal writes it."""
    return json.dumps(text, ensure_ascii=False).translate({ord(one): f"\\u{ord(one):04x}" for one in "&<>\u2028\u2029"})


@given(VALUES)
@pytest.mark.parametrize(
    "encode",
    [
        go_json,
        lambda text: go_json(go_json(text)),
        str,
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: json.dumps({"outer": json.dumps(text)}) if text.isalnum() and text.isascii() else text,
        urllib.parse.quote,
        urllib.parse.quote_plus,
        repr,
        lambda text: repr(text.encode()),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        shlex.quote,
    ],
)
def test_usual_encodings_are_hidden(encode, value):
    """JSON, URL, Python, hex, url-safe base64 and shell forms."""
    encoded = encode(value)
    assert encoded not in redactor(value).redact(f"before {encoded} after")


def test_each_line_of_a_value_is_hidden():
    """A tool that prints a PEM key line by line prints nothing of it."""
    hidden = redactor(PEM)
    for line in PEM.splitlines():
        assert hidden.redact(f"  {line}\r") == f"  {HIDDEN}\r"


@pytest.mark.parametrize("width", [64, 76])
def test_wrapped_base64_is_hidden(width):
    """`base64` and `openssl base64` break lines; the runner's own masks do not know that form."""
    value = "a value long enough to be broken over several lines of base64 " * 4
    encoded = base64.b64encode(value.encode()).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    shown = redactor(value).redact("\n".join(lines))
    assert not [line for line in lines if line.rstrip("=") in shown and len(line) >= SHORTEST_DERIVED]


def test_parts_of_a_json_value_are_hidden_but_for_plain_words():
    """The password is, the user name is not: it would blank every mention of `postgres`."""
    hidden = redactor('{"username": "postgres", "nested": [{"password": "hunter2-and-more"}]}')
    assert hidden.redact("login postgres with hunter2-and-more") == f"login postgres with {HIDDEN}"


@pytest.mark.parametrize("value", ["dev", "{", "", "\n", "true", "12345"])
def test_short_values_hide_nothing(value):
    """A mask for `{` or `dev` would blank the log and make the runner drop outputs."""
    assert list(forms_of(value)) == []


@given(st.text())
def test_no_form_is_short_or_has_a_line_break(value):
    """The runner masks line by line without a minimum: one `{` on its own line would hide every `{`."""
    for form in forms_of(value):
        assert len(form) >= SHORTEST_VALUE
        assert "\n" not in form
        assert "\r" not in form


def test_a_value_of_short_lines_is_hidden_as_a_whole():
    """No line can be a mask of its own; together, as written or folded into one line, they are the value."""
    hidden = redactor("12345\n67890\nabcde\n")
    assert hidden.redact("got 12345\n67890\nabcde back") == f"got {HIDDEN} back"
    assert hidden.redact("got 12345 67890 abcde back") == f"got {HIDDEN} back"


def test_everything_inside_plain_data_is_hidden():
    """Before a report is shortened or escaped: what is cut in two is found no more."""
    hidden = redactor("hunter2-and-more")
    report = RunReport("release", problems=(Problem("it said hunter2-and-more"),), stage_seconds={"plan": 1.0})
    assert hidden.redact_all(report) == replace(report, problems=(Problem(f"it said {HIDDEN}"),))


def test_what_is_registered_with_the_runner_is_every_single_line_form():
    """The value itself first of all."""
    assert "a-value-of-one-line" in Redactor().add("a-value-of-one-line")


def test_public_words_stay():
    """A value that equals the service's name does not blank the report."""
    hidden = Redactor()
    hidden.allow(["my-service", "production"])
    hidden.add("my-service")
    assert hidden.redact("Released my-service to production") == "Released my-service to production"


@given(st.lists(VALUES, max_size=4), st.text())
def test_a_text_without_values_is_left_alone(values, text):
    """The redactor changes nothing but what it knows."""
    hidden = redactor(*values)
    assume(not any(form in text for value in values for form in forms_of(value)))
    assert hidden.redact(text) == text


def test_the_longest_form_wins():
    """Of two values of which one begins with the other, nothing of the longer one is left."""
    assert redactor("secret-one", "secret-one-and-more").redact("secret-one-and-more!") == f"{HIDDEN}!"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("postgres://app:Sup3r&More@db?a=<2>", r'"postgres://app:Sup3r\u0026More@db?a=\u003c2\u003e"'),
        ('tab\there \x1b[1m bell\a \x7f "quoted"', r'"tab\there \x1b[1m bell\a \x7f \"quoted\""'),
    ],
    ids=["json.Marshal", "%q"],
)
def test_what_go_prints_is_hidden(value, quoted):
    """The API server and ESO are written in Go, and quote a text in its ways."""
    assert redactor(value).redact(f"cannot use {quoted} here") == f'cannot use "{HIDDEN}" here'


def _unpadded(text):
    return base64.b64encode(text.encode()).decode().rstrip("=")


@given(VALUES, st.integers(12, 60), st.sampled_from([str, _unpadded]))
def test_a_value_that_others_cut_is_hidden(value, length, encode):
    """Twelve characters of it, from its beginning or to its end, are not shown in a text from outside."""
    form = encode(value)
    assume(len(form) > length)
    hidden = redactor(value)
    for part in (form[:length], form[-length:].lstrip("-")):
        assume(part not in "error: cannot use  it" and len(part) >= SHORTEST_PART)
        assert part not in hidden.redact_outside(f"error: cannot use {part} it")


@pytest.mark.parametrize(
    "text",
    [
        "Post https://ssm.eu-west-2.amazonaws.com/: i/o timeout",
        "User: arn:aws:iam::123456789012:role/eso is not authorized",
        "dial tcp: lookup postgres://other",
        "my-service-production is not there",
        "hunter2-and",
        "",
    ],
)
def test_what_only_resembles_a_value_stays(text):
    """A scheme, an ARN's first fields, a host's domain, a public name, a few characters: what many texts have."""
    hidden = Redactor()
    hidden.allow(["my-service-production"])
    for value in (
        "https://db.eu-west-2.amazonaws.com",
        "arn:aws:iam::123456789012:user/somebody-else",
        "postgres://app:hunter2@db",
        "my-service-production-password",
        "hunter2-and-more",
    ):
        hidden.add(value)
    assert hidden.redact_outside(text) == text


def test_a_value_that_is_learnt_later_is_hidden_when_cut():
    """Values are read from SSM after the first texts were quoted."""
    hidden = redactor("the-first-value-of-all")
    assert hidden.redact_outside("it said the-first-value…") == f"it said {HIDDEN}…"
    hidden.add("another-value-that-came")
    assert hidden.redact_outside("it said …value-that-came") == f"it said …{HIDDEN}"
