"""Places that a rule chooses itself: what the finding names is what somebody would change."""

import pytest

from tests.unit.manifest_samples import (
    WAITING,
    claim,
    judged,
    kustomization,
    overlays,
    patched,
)

CLAIMED = overlays(WAITING, "dev", "prod", dev=patched("dev") + "---\n" + claim("db"), prod=patched("prod")) | {
    "base/kustomization.yaml": kustomization("es.yaml", "claim.yaml"),
    "base/claim.yaml": claim(),
}
"""The base has the claim, and only dev's patch names the Secret."""


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("overlays/prod/patch.yaml", {"overlays/prod/patch.yaml": patched("prod") + "---\n" + claim(replicas=3)}),
        ("overlays/prod/kustomization.yaml", {}),
    ],
)
def test_a_forgotten_secret_is_the_overlays_mistake_where_the_base_has_the_claim(tmp_path, file, more):
    """The base is right for the overlay that does name it."""
    (finding,) = judged(tmp_path, CLAIMED | more, "").findings
    assert finding.rule == "not-consumed"
    assert finding.where.file == f"tenants/shop/{file}"
    if more:
        assert "name: shop" in (tmp_path / finding.where.file).read_text().splitlines()[finding.where.line - 1]


def test_a_name_with_a_prefix_is_said_to_be_the_prefixs_affair(tmp_path):
    """Nobody has to add the ExternalSecret that is there under another name."""
    tree = overlays(WAITING, "dev", "prod", dev=patched("dev"), prod=patched("prod"), deployed=claim("db"))
    tree["overlays/prod/kustomization.yaml"] += "namePrefix: eu-\n"
    (finding,) = judged(tmp_path, tree, "").findings
    assert "eu-db" in finding.remedy
    assert "namePrefix" in finding.message
