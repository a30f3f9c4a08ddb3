"""What a Secret must hold is computed as ESO computes it, or not at all."""

import base64
import json

import pytest
from cluster_samples import PATH, rendered
from hypothesis import given
from hypothesis import strategies as st

from sandbox import eso_provider
from secret_action.cluster.content import asked, carried, expected_content
from secret_action.cluster.hashes import data_hash
from secret_action.values import SecretValue

SHA3 = "0" * 56
DOCUMENT = '{"user":"ü\\n","port":5432,"tls":true,"off":false,"none":null,"a.b":"dotted","n":{"x":["y",7]},"f":1.50}'


def _expected(spec, value):
    return expected_content(rendered(**spec).spec, {PATH: SecretValue(value)})


def _holds(spec, value, data):
    """Whether the expectation is known, and is exactly this data."""
    found = _expected(spec, value)
    assert found.reason == ""
    return found.matches(data_hash(data, like=SHA3))


def _entry(**reference):
    return {"data": [{"secretKey": "K", "remoteRef": {"key": PATH, **reference}}]}


@pytest.mark.parametrize("value", ["", "plain", "a\nb\n", "--x", "=", "😀", "\x00", "file://x", '"quoted"'])
def test_a_whole_parameter_arrives_byte_for_byte(value):
    """Nothing is trimmed, quoted or decoded."""
    assert _holds(_entry(), value, {"K": value.encode()})
    assert not _holds(_entry(), value, {"K": value.encode() + b" "})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("user", "ü\n"),
        ("port", "5432"),
        ("tls", "true"),
        ("off", "false"),
        ("none", ""),
        ("a.b", "dotted"),
        ("n.x.0", "y"),
        ("n.x.1", "7"),
    ],
)
def test_a_property_is_found_as_gjson_finds_it(name, text):
    """Text unquoted, whole numbers and booleans as they are written, null empty, a literal name before a path."""
    assert _holds(_entry(property=name), DOCUMENT, {"K": text.encode()})


@pytest.mark.parametrize(
    ("strategy", "value", "data"),
    [
        ("None", "YQ==", b"YQ=="),
        ("Base64", "YQ==", b"a"),
        ("Base64", "YW\nI=\r\n", b"ab"),
        ("Base64URL", "-_8=", b"\xfb\xff"),
        ("Base64", "+/8=", b"\xfb\xff"),
        ("Auto", "+/8=", b"\xfb\xff"),
        ("Auto", "-_8=", b"\xfb\xff"),
        ("Auto", "not base64", b"not base64"),
        ("Auto", "+_8=", b"+_8="),
        ("Auto", "", b""),
    ],
)
def test_values_are_decoded_as_go_decodes_them(strategy, value, data):
    """Standard alphabet, then the URL one; line breaks are skipped and padding is needed."""
    assert _holds(_entry(decodingStrategy=strategy), value, {"K": data})


def test_extract_makes_a_key_of_each_property():
    """Other than text stays as it is written, and names are made valid keys."""
    spec = {"data": [], "dataFrom": [{"extract": {"key": PATH}}]}
    value = '{"a b":"1","c/d":"2","n":1.50,"t":true,"z":null}'
    assert _holds(spec, value, {"a_b": b"1", "c_d": b"2", "n": b"1.50", "t": b"true", "z": b""})


def test_extract_can_spell_out_what_it_replaces():
    """`conversionStrategy: Unicode`."""
    spec = {"data": [], "dataFrom": [{"extract": {"key": PATH, "conversionStrategy": "Unicode"}}]}
    assert _holds(spec, '{"a b":"1"}', {"a_U0020_b": b"1"})


def test_extract_of_a_property_reads_the_object_in_it():
    """An object in the object, or its text."""
    spec = {"data": [], "dataFrom": [{"extract": {"key": PATH, "property": "in"}}]}
    assert _holds(spec, '{"in":{"a":"1"}}', {"a": b"1"})
    assert _holds(spec, json.dumps({"in": '{"a":"1"}'}), {"a": b"1"})


def test_data_is_put_over_data_from():
    """ESO goes through dataFrom first."""
    spec = {**_entry(property="a"), "dataFrom": [{"extract": {"key": PATH}}]}
    assert _holds(spec, '{"a":"1","K":"2"}', {"a": b"1", "K": b"1"})


def _template(data, **more):
    return {"target": {"template": {"data": data, **more}}}


@pytest.mark.parametrize(
    ("spec", "data"),
    [
        (_template({}), {"K": b"v1"}),
        (_template({}, metadata={"labels": {"a": "{{ .K }}"}}, type="Opaque"), {"K": b"v1"}),
        (_template({"x": "y"}), {"x": b"y"}),
        (_template({"url": "pg://u:{{ .K }}@h/{{.K}}"}), {"url": b"pg://u:v1@h/v1"}),
        (_template({"a": "{{ .K | toString | b64enc }}"}), {"a": b"djE="}),
        (_template({"a": "{{ .K }}"}, mergePolicy="Merge"), {"K": b"v1", "a": b"v1"}),
        (_template({"K": "{{ .K }}!"}, mergePolicy="Merge"), {"K": b"v1!"}),
        (_template({"K": "}} { }"}), {"K": b"}} { }"}),
    ],
)
def test_the_plainest_templates_are_filled_in(spec, data):
    """Those that let the keys through, and texts with `{{ .key }}` in them."""
    assert _holds({**_entry(), **spec}, "v1", data)


@pytest.mark.parametrize(
    ("spec", "carries"),
    [
        ({}, True),
        ({"target": {"creationPolicy": "Merge"}}, True),
        ({"target": {"creationPolicy": "None"}}, False),
        ({"target": {"manifest": {"kind": "ConfigMap"}}}, False),
        (_template({"a": "{{ .K | quote }}"}), True),
        (_template({"a": "{{ .K | upper }}"}), False),
        (_template({"a": "{{ if .K }}{{ .K }}{{ end }}"}), False),
        (_template({"a": "constant"}), False),
        (_template({"a": "{{ .L | upper }}"}, mergePolicy="Merge"), True),
        (_template({"K": "constant"}, mergePolicy="Merge"), False),
        (_template({}, templateFrom=[{"configMap": {"name": "t"}}]), False),
        (_entry(property="a"), False),
        (_entry(version="3"), False),
        (_entry(decodingStrategy="Auto"), False),
        ({"data": [{"secretKey": "K", "remoteRef": {"key": PATH}, "sourceRef": {}}]}, False),
    ],
)
def test_a_value_that_surely_shows_is_told_from_one_that_may_not(spec, carries):
    """What a condition, a function or another store makes of it is not known."""
    assert carried({**_entry(), **spec}, {PATH, "/other"}) == ((PATH,) if carries else ())


UNKNOWN = {
    "a template with a function": (_template({"x": "{{ .K | upper }}"}), "x"),
    "a template with a condition": (_template({"x": "{{ if .K }}a{{ end }}"}), "x"),
    "a template that trims": (_template({"x": "a {{- .K }}"}), "x"),
    "a template that names another key": (_template({"x": "{{ .L }}"}), "x"),
    "a template from elsewhere": (_template({}, templateFrom=[{"configMap": {"name": "t"}}]), "x"),
    "a template of the old engine": (_template({"x": "y"}, engineVersion="v1"), "x"),
    "a generic target": ({"target": {"manifest": {"kind": "ConfigMap"}}}, "x"),
    "merged into another": ({"target": {"creationPolicy": "Merge"}}, "x"),
    "no Secret": ({"target": {"creationPolicy": "None"}}, "x"),
    "tags": (_entry(metadataPolicy="Fetch"), "x"),
    "a pinned version": (_entry(version="3"), "x"),
    "an unknown parameter": ({"data": [{"secretKey": "K", "remoteRef": {"key": "/foreign"}}]}, "x"),
    "another store": ({"data": [{"secretKey": "K", "remoteRef": {"key": PATH}, "sourceRef": {}}]}, "x"),
    "find": ({"data": [], "dataFrom": [{"find": {"name": {"regexp": ".*"}}}]}, "x"),
    "a generator": ({"data": [], "dataFrom": [{"sourceRef": {"generatorRef": {"name": "x"}}}]}, "x"),
    "rewrite": ({"data": [], "dataFrom": [{"extract": {"key": PATH}, "rewrite": [{}]}]}, "{}"),
    "no JSON": (_entry(property="a"), "x"),
    "no such property": (_entry(property="b"), '{"a":1}'),
    "no such path": (_entry(property="a.b.c"), '{"a":{"b":1}}'),
    "an object as value": (_entry(property="a"), '{"a":{"b":1}}'),
    "a fraction": (_entry(property="a"), '{"a":1.50}'),
    "a gjson expression": (_entry(property="a.#"), '{"a":[1]}'),
    "a property twice": (_entry(property="a"), '{"a":1,"a":2}'),
    "not a number": (_entry(property="a"), '{"a":NaN}'),
    "half a character": (_entry(property="a"), '{"a":"\\ud800"}'),
    "extract of a list": ({"data": [], "dataFrom": [{"extract": {"key": PATH}}]}, "[1]"),
    "extract of nested objects": ({"data": [], "dataFrom": [{"extract": {"key": PATH}}]}, '{"a":{"b": 1}}'),
    "keys that collide": ({"data": [], "dataFrom": [{"extract": {"key": PATH}}]}, '{"a b":"1","a_b":"2"}'),
    "a name that is not ASCII": ({"data": [], "dataFrom": [{"extract": {"key": PATH}}]}, '{"ü":"1"}'),
    "not base64": (_entry(decodingStrategy="Base64"), "x"),
    "an unknown strategy": (_entry(decodingStrategy="Base32"), "x"),
}


@pytest.mark.parametrize(("spec", "value"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_not_certain_is_not_guessed(spec, value):
    """There is a sentence instead of an expectation, and nothing matches it."""
    found = _expected(spec, value)
    assert found.reason
    assert found.matches("0" * 56) is None


def test_neither_value_nor_hash_is_shown():
    """The hash is unsalted: who reads it can try values."""
    found = _expected(_entry(), "s3cr3t-value")
    assert "s3cr3t" not in repr(found)
    assert data_hash({"K": b"s3cr3t-value"}, like=SHA3) not in repr(found)


PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = PLAIN | st.integers() | st.booleans() | st.none()
NAMES = st.text("abcXYZ019 ./_-:$", min_size=1, max_size=6)
OBJECTS = st.dictionaries(NAMES, LEAVES | st.dictionaries(NAMES, LEAVES, max_size=3), max_size=5)


@given(OBJECTS, NAMES, st.sampled_from(["None", "Base64", "Base64URL", "Auto"]), st.booleans())
def test_a_known_property_is_what_the_provider_delivers(document, name, strategy, ascii_only):
    """Against the sandbox's own imitation of ESO's provider: where this computes something, it is the same."""
    value = json.dumps(document, ensure_ascii=ascii_only)
    found = _expected(_entry(property=name, decodingStrategy=strategy), value)
    if not found.reason:
        raw = eso_provider.get_secret(lambda *_: value, "", {"key": PATH, "property": name})
        assert found.matches(data_hash({"K": eso_provider.decode(strategy, raw)}, like=SHA3))


@given(OBJECTS)
def test_a_known_extract_is_what_the_provider_delivers(document):
    """The same for all properties at once."""
    value = json.dumps(document)
    found = _expected({"data": [], "dataFrom": [{"extract": {"key": PATH}}]}, value)
    if not found.reason:
        raw = eso_provider.get_secret_map(lambda *_: value, "", {"key": PATH})
        data = {eso_provider.converted("Default", key): text for key, text in raw.items()}
        assert found.matches(data_hash(data, like=SHA3))


@given(st.binary(max_size=40))
def test_every_encoding_is_undone(data):
    """Base64 of any bytes, in both alphabets."""
    for strategy, encode in (("Base64", base64.b64encode), ("Base64URL", base64.urlsafe_b64encode)):
        assert _holds(_entry(decodingStrategy=strategy), encode(data).decode(), {"K": data})


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        ({}, {"K0"}),
        ({"dataFrom": [{"extract": {"key": PATH}}]}, {"K0"}),
        (_template({}), {"K0"}),
        (_template({"x": "{{ .K0 }}"}), {"x"}),
        (_template({"x": "{{ .K0 }}"}, mergePolicy="Merge"), {"x", "K0"}),
        (_template({"x": "{{ .K0 }}"}, templateFrom=[{"literal": "{{ .K0 }}"}]), set()),
        ({"target": {"creationPolicy": "Merge"}}, {"K0"}),
        ({"target": {"creationPolicy": "None"}}, set()),
        ({"target": {"manifest": {"kind": "ConfigMap"}}}, set()),
    ],
)
def test_the_keys_that_are_asked_for_need_no_value(spec, keys):
    """Where a template may name any key, none is told."""
    assert asked(rendered(**spec).spec, set()) == keys


def test_an_optional_parameter_asks_for_no_key():
    """But a template that names it does: without it ESO fails."""
    assert asked(rendered(references=["/a", "/b"]).spec, {"/a"}) == {"K1"}
    assert asked(rendered(**_template({"x": "{{ .K0 }}"})).spec, {PATH}) == {"x"}
