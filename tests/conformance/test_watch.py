"""Watches: where they begin, what they tell, and how they end."""

from tests.conformance.lab import ESO, Lab, seen


def change(lab: Lab, name: str, n: str) -> None:
    lab.cluster.request("PATCH", f"{lab.config_maps}/{name}", {"metadata": {"labels": {"n": n}}})


def test_a_watch_goes_on_where_the_list_ended(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": name, "labels": {"n": "1"}}})
    version = lab.read(lab.config_maps)["metadata"]["resourceVersion"]
    change(lab, "a", "2")
    lab.cluster.request("DELETE", f"{lab.config_maps}/b")
    lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": "c"}})
    status, events = lab.watch(lab.config_maps, resourceVersion=version)
    assert status == 200
    assert seen(events) == [("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "c")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(version)


def test_a_watch_resumes_after_any_event(lab: Lab) -> None:
    lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": "a"}})
    version = lab.read(lab.config_maps)["metadata"]["resourceVersion"]
    change(lab, "a", "1")
    change(lab, "a", "2")
    _, events = lab.watch(lab.config_maps, count=2, resourceVersion=version)
    after_first = events[0]["object"]["metadata"]["resourceVersion"]
    _, rest = lab.watch(lab.config_maps, count=1, resourceVersion=after_first)
    assert rest == events[1:]


def test_a_watch_without_a_version_begins_with_all_that_is_there(lab: Lab) -> None:
    lab.cluster.request("POST", f"{lab.secrets}", {"metadata": {"name": "a"}})
    _, events = lab.watch(lab.secrets, count=1)
    assert seen(events) == [("ADDED", "a")]


def test_a_selector_makes_objects_come_and_go(lab: Lab) -> None:
    for name, n in (("a", "1"), ("b", "2")):
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": name, "labels": {"n": n}}})
    version = lab.read(lab.config_maps)["metadata"]["resourceVersion"]
    change(lab, "a", "2")
    change(lab, "b", "1")
    _, events = lab.watch(lab.config_maps, count=2, resourceVersion=version, labelSelector="n=1")
    assert seen(events) == [("DELETED", "a"), ("ADDED", "b")]
    assert events[0]["object"]["metadata"]["labels"] == {"n": "1"}


def test_one_name_can_be_watched(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": name}})
    _, events = lab.watch(lab.config_maps, count=1, fieldSelector="metadata.name=b")
    assert seen(events) == [("ADDED", "b")]


def test_a_watch_tells_of_no_other_namespace(lab: Lab) -> None:
    other = Lab(lab.cluster, lab.aws)
    other.cluster.request("POST", other.config_maps, {"metadata": {"name": "a"}})
    assert lab.watch(lab.config_maps) == (200, [])


def test_a_watch_speaks_the_version_of_its_path(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter())
    _, events = lab.watch(lab.path.replace("/v1/", "/v1beta1/"), count=1)
    assert {event["object"]["apiVersion"] for event in events} == {"external-secrets.io/v1beta1"}


def test_a_version_too_old_is_an_error_event_with_410(lab: Lab) -> None:
    """The status line says 200: a client must look into the stream."""
    status, events = lab.watch(f"{ESO}/externalsecrets", resourceVersion="1")
    assert (status, [event["type"] for event in events]) == (200, ["ERROR"])
    answer = events[0]["object"]
    assert (answer["kind"], answer["code"], answer["reason"]) == ("Status", 410, "Expired")
    assert answer["message"].startswith("too old resource version: 1 (")


def test_a_version_that_is_no_number_is_refused_before_the_stream(lab: Lab) -> None:
    status, answers = lab.watch(lab.path, resourceVersion="abc")
    assert (status, answers[0]["kind"], answers[0]["code"]) == (500, "Status", 500)
    assert answers[0]["message"].startswith('resourceVersion: Invalid value: "abc"')
