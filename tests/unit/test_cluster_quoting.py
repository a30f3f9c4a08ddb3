"""Of what ESO says nothing is shown that may quote a value, known to this run or not."""

import pytest

from secret_action.cluster.quoting import LEFT_OUT, Said, quotable, short

VALUE = "Hu(nter2 %zz-S3cret"
APPLIED = "could not apply template: could not execute template: unable to execute template at key h: template: h:1:3: "
INVALID = 'Secret "x" is invalid:'
QUOTES = {
    "a function": (f'executing "h" at <urlParse .k>: error calling urlParse: unable to parse url: "{VALUE}": x', ""),
    "what the author asks for": (f'executing "h" at <fail .k>: error calling fail: {VALUE}', ""),
    "a range": (f'executing "h" at <.k>: range can\'t iterate over {VALUE}', 'executing "h" at <.k>: '),
    "a condition": (f'executing "h" at <.k>: if/with can\'t use {VALUE}', 'executing "h" at <.k>: '),
    "a template that makes keys": (f"could not unmarshal template to 'map[string][]byte': yaml: `{VALUE}` into", ""),
    "an object": (f"unable to unmarshal secret arn:aws:ssm:eu:1:parameter/a: invalid character {VALUE}", "arn:aws:ssm"),
    "an object, in other words": (f"went wrong: json: cannot unmarshal number {VALUE} into Go value", "went wrong: "),
    "a coding": (f"error applying decoding strategy Base64 to data: {VALUE}", "Base64 to data: "),
    "no coding": (f"error applying decoding strategy  to data: {VALUE}", ""),
    "names": (f"error applying conversion strategy Default to keys: {VALUE}", ""),
    "rewritten names": (f"error applying rewrite to keys: {VALUE}", ""),
    "names that are none": (f"invalid secret keys (TIP: use rewrite or so to change keys): {VALUE}", ""),
    "a label": (f'{INVALID} metadata.labels: Invalid value: "{VALUE}\\"{VALUE}": a valid label', ": a valid label"),
    "a cut label": (f'{INVALID} metadata.labels: Invalid value: "{VALUE}', "labels: Invalid value: …"),
    "something else": (f"{INVALID} data: Invalid value: map[a:{VALUE}]: no", "data: Invalid value: …"),
    "a key": (f'{INVALID} [data[{VALUE}]: Too long: x, data[{VALUE}]: Invalid value: "{VALUE}": y]', "Too long: x"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "kept"), QUOTES.values(), ids=QUOTES)
def test_what_may_quote_a_value_is_left_out(said, kept):
    """A run that knows no values cannot hide them. What is said before that stays."""
    shown = quotable(APPLIED + said)
    assert VALUE not in shown
    assert "S3cret" not in shown
    assert shown.startswith(APPLIED)
    assert kept in shown
    assert LEFT_OUT in shown or "Invalid value: …" in shown
    assert VALUE not in repr(Said(said))
    assert VALUE not in short(said)


@pytest.mark.parametrize(
    "said",
    [
        'template: h:1:3: executing "h" at <.gone>: map has no entry for key "gone"',
        'template: h:1:3: executing "h" at <.a.b>: can\'t evaluate field b in type string',
        'template: h:1:3: executing "h" at <add .a>: wrong type for value; expected int; got string',
        'template: h:1: function "nothing" not defined',
        "error processing spec.data[0] (key: /p/a), err: key b does not exist in secret /p/a",
        'Secret "x" is invalid: type: Invalid value: "kubernetes.io/tls": field is immutable',
        'admission webhook "policy.example" denied the request: no',
        "error processing spec.data[0] (key: /p/a.yaml: b), err: Secret does not exist",
        "operation error SSM: GetParameter, api error AccessDeniedException: User: arn:aws:x is not authorized",
    ],
)
def test_what_names_alone_are_said_of_stays(said):
    """It is what the reader mends by."""
    assert quotable(said) == said
