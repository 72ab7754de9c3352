"""What `lint` finds in the templates of a ConfigSync, without any cluster."""

from pathlib import Path

import pytest

from zkoperator.cli.commands.lint import sorted_findings
from zkoperator.cli.view.manifest_files import read_manifests

SYNC = """apiVersion: zkoperator.dev/v1alpha1
kind: ConfigSync
metadata: {name: web}
spec:
  zookeeper: {clusterRef: {name: main}, path: /web}
  direction: ZooKeeperToConfigMap
  template:
    data:
      good.conf: "{{ getv('/port') }}"
      nginx.conf: |
        upstream {
        %s
        }
"""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{% for u in gets('/x') %}", "line 3: Unexpected end of template"),
        ("{{ getv('/x' }}", "line 2: unexpected '}'"),
        ("{{ 'x' | nofilter }}", "line 2: No filter named 'nofilter'"),
        ("{% include 'x' %}", "line 2: 'include' reads another template"),
    ],
)
def test_lint_names_file_and_line_of_what_is_no_template(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "sync.yaml"
    path.write_text(SYNC % line)
    (found,) = sorted_findings(read_manifests([str(path)]), "demo")
    assert found.field == "spec.template.data[nginx.conf]" and says in found.message, found.message
    assert 8 <= found.line <= 10, "the line of the file is that of the template, or of the map that has it"


def test_lint_finds_nothing_in_templates_that_only_znodes_can_tell_about(tmp_path: Path) -> None:
    path = tmp_path / "sync.yaml"
    path.write_text(SYNC % "{{ getv('/nope') }}{{ nope.x }}")
    assert sorted_findings(read_manifests([str(path)]), "demo") == []
