"""What a render says of parameters beyond what is read of it."""

from secret_action.manifest.mentions import finders, mentioned

FOLDER = "/zerotouch/prod/shop"


def test_every_text_counts():
    """Wherever it stands and whatever is around it; what lies deeper or elsewhere is not the folder's."""
    shared = {"key": f"{FOLDER}/a"}
    resources = [
        {"kind": "X", "spec": {"data": [shared, shared], f"{FOLDER}/as_key": 1}},
        {"env": f"arn:aws:ssm:eu-west-1:1:parameter{FOLDER}/b,{FOLDER}/c"},
        {"env": [f"{FOLDER}/deeper/d", "/zerotouch/prod/shopping/e", None, 7]},
    ]
    assert mentioned(resources, FOLDER) == {f"{FOLDER}/{key}" for key in "abc"}


def test_who_reads_by_pattern():
    """Directly, or for each namespace."""
    find = {"dataFrom": [{"find": {"name": {"regexp": ".*"}}}]}
    resources = [
        {"kind": "ExternalSecret", "metadata": {"name": "a"}, "spec": find},
        {"kind": "ClusterExternalSecret", "metadata": {"name": "b"}, "spec": {"externalSecretSpec": find}},
        {"kind": "ExternalSecret", "metadata": {"name": "c"}, "spec": {"dataFrom": [{"extract": {"key": "k"}}]}},
        {"kind": "Service", "spec": None},
    ]
    assert finders(resources) == ("ExternalSecret a", "ClusterExternalSecret b")
