"""NO_PROXY means what it means to kubectl: each case with the answer of Go's golang.org/x/net/http/httpproxy."""

import pytest

from secret_action.cluster.no_proxy import is_direct, no_proxy_of

DIRECT = [
    ("*", "https://kube.example:6443"),
    ("other.example,*", "https://10.0.0.1"),
    ("*,other.example", "https://10.0.0.1"),
    (" * ", "https://kube.example"),
    ("kube.example", "https://kube.example:6443"),
    ("KUBE.Example", "https://kube.example:6443"),
    ("kube.example", "https://KUBE.EXAMPLE:6443"),
    ("kube.example", "https://a.kube.example"),
    ("example", "https://a.kube.example"),
    (".kube.example", "https://a.kube.example"),
    (".kube.example", "https://a.b.kube.example"),
    ("*.kube.example", "https://a.kube.example:6443"),
    ("a.kube.example:443", "https://a.kube.example"),
    ("a.kube.example:443", "https://a.kube.example:443"),
    ("a.kube.example:6443", "https://a.kube.example:6443"),
    ("a.kube.example:80", "http://a.kube.example"),
    ("*.kube.example:6443", "https://a.kube.example:6443"),
    ("kube.example:", "https://kube.example:6443"),
    ("other.example, kube.example ,", "https://kube.example"),
    ("10.9.9.9", "https://10.9.9.9:6443"),
    ("10.9.9.9:6443", "https://10.9.9.9:6443"),
    ("10.9.9.9:443", "https://10.9.9.9"),
    ("10.0.0.0/8", "https://10.9.9.9:6443"),
    ("10.9.9.1/8", "https://10.200.0.1"),
    ("0.0.0.0/0", "https://8.8.8.8"),
    ("fd00::1", "https://[fd00::1]:6443"),
    ("FD00:0::1", "https://[fd00::1]:6443"),
    ("[fd00::1]:6443", "https://[fd00::1]:6443"),
    ("[fd00::1]:443", "https://[fd00::1]"),
    ("fd00::/8", "https://[fd00::1]:6443"),
    ("10.9.9.9", "https://[::ffff:10.9.9.9]"),
    ("10.0.0.0/8", "https://[::ffff:10.9.9.9]"),
    ("::ffff:10.9.9.9", "https://10.9.9.9"),
    ("", "https://localhost:6443"),
    ("", "https://127.0.0.1:6443"),
    ("", "https://127.8.9.1:6443"),
    ("", "https://[::1]:6443"),
    ("", "https://[::ffff:127.0.0.1]:6443"),
    ("localhost", "https://a.localhost:6443"),
]
BY_PROXY = [
    ("", "https://kube.example"),
    ("kube.example", "https://akube.example"),
    ("kube.example", "https://kube.example.org"),
    (".kube.example", "https://kube.example"),
    ("*.kube.example", "https://kube.example"),
    ("*.*.kube.example", "https://a.b.kube.example"),
    ("*kube.example", "https://akube.example"),
    ("a.*.example", "https://a.kube.example"),
    ("*.", "https://kube.example"),
    (".", "https://kube.example"),
    ("kube.example.", "https://kube.example"),
    ("kube.example", "https://kube.example."),
    ("a.kube.example:443", "https://a.kube.example:6443"),
    ("a.kube.example:443", "http://a.kube.example"),
    (".kube.example:6443", "https://a.kube.example:443"),
    (":443", "https://kube.example"),
    ("kube.example:https", "https://kube.example"),
    ("a:b:c", "https://a"),
    ("https://kube.example", "https://kube.example"),
    ("kube.example/", "https://kube.example"),
    ("other.example kube.example", "https://kube.example"),
    ("other.example;kube.example", "https://kube.example"),
    (",,", "https://kube.example"),
    ("10.9.9.9:443", "https://10.9.9.9:6443"),
    ("10.9.9", "https://10.9.9.9"),
    ("9.9", "https://10.9.9.9"),
    (".9.9", "https://10.9.9.9"),
    ("*.9.9.9", "https://10.9.9.9"),
    ("10.0.0.0/16", "https://10.9.9.9"),
    ("10.0.0.0/8:6443", "https://10.9.9.9:6443"),
    ("10.0.0.0/255.0.0.0", "https://10.9.9.9"),
    ("10.0.0.0/33", "https://10.9.9.9"),
    ("10.0.0.0/8", "https://kube.example"),
    ("0.0.0.0/0", "https://[fd00::1]"),
    ("010.9.9.9", "https://10.9.9.9"),
    ("[fd00::1]", "https://[fd00::1]:6443"),
    ("[fd00::1]:443", "https://[fd00::1]:6443"),
    ("fe80::/10", "https://[fd00::1]:6443"),
    ("", "https://a.localhost:6443"),
    ("", "https://0.0.0.0:6443"),
]


@pytest.mark.parametrize(("no_proxy", "url"), DIRECT)
def test_what_go_reaches_without_the_proxy(no_proxy, url):
    """Domains and what lies under them, addresses, networks, ports, and always this machine itself."""
    assert is_direct(url, no_proxy)


@pytest.mark.parametrize(("no_proxy", "url"), BY_PROXY)
def test_what_go_sends_to_the_proxy(no_proxy, url):
    """Other names, other ports, and entries of no known form."""
    assert not is_direct(url, no_proxy)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"NO_PROXY": "a", "no_proxy": "b"}, "a"),
        ({"NO_PROXY": "", "no_proxy": "b"}, "b"),
        ({}, ""),
    ],
)
def test_both_names_of_the_variable_are_read(environment, found):
    """The upper-case one first."""
    assert no_proxy_of(environment) == found
