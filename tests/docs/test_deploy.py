"""The manifests render, and say nothing that the services would not understand."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cli import SERVICES
from tests.docs.test_docs import settings_of
from tests.peers import missing

ROOT = Path(__file__).parents[2]


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    if not shutil.which("kubectl"):
        missing("kubectl")
    with tempfile.TemporaryDirectory() as folder:
        deploy = Path(folder, "deploy")
        shutil.copytree(ROOT / "deploy", deploy)
        if not kubectl("version", "--client", "--output=json").count("kustomizeVersion"):
            for file in deploy.rglob("kustomization.yaml"):
                with_bases(file)
        said = kubectl("kustomize", str(deploy / "overlays" / overlay))
    return [document for document in yaml.safe_load_all(said) if document]


def kubectl(*words: str) -> str:
    done = subprocess.run(
        ["kubectl", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_bases(file: Path) -> None:
    """Folders under `bases`, as the kustomize of 2019 wants them that is in Debian's kubectl."""
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    entries = said.pop("resources")
    folders = [entry for entry in entries if (file.parent / entry).is_dir()]
    said |= {"bases": folders, "resources": [each for each in entries if each not in folders]}
    file.write_text(yaml.safe_dump(said), encoding="utf-8")


def containers(overlay: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for document in rendered(overlay):
        if document["kind"] in ("Deployment", "StatefulSet"):
            pod = document["spec"]["template"]["spec"]
            for container in pod["containers"]:
                yield document["metadata"]["name"], pod, container


def test_the_single_overlay_holds_every_service_the_broker_and_the_database() -> None:
    names = {name for name, _, _ in containers("single")}

    assert names == {*SERVICES, "rabbitmq", "postgres"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_of_its_service(service: str) -> None:
    kind = settings_of(service)
    prefix = str(kind.model_config.get("env_prefix"))
    known = {prefix + name.upper() for name in kind.model_fields}
    [given] = [
        {variable["name"] for variable in container["env"]}
        for name, _, container in containers("single")
        if name == service
    ]

    assert given <= known
    needed = {  # the others that have no plain default lie in a home folder, which no pod has
        prefix + name.upper()
        for name, field in kind.model_fields.items()
        if field.is_required() or field.default_factory
    }
    assert needed <= given


def test_every_path_lies_in_a_mount() -> None:
    for name, _, container in containers("single"):
        mounted = tuple(f"{mount['mountPath']}/" for mount in container["volumeMounts"])
        for variable in container.get("env", []):
            value = variable.get("value", "")
            assert not value.startswith("/") or f"{value}/".startswith(mounted), (name, variable)


def test_every_pod_is_confined() -> None:
    for name, pod, container in containers("single"):
        security = container["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert container["resources"]["limits"]["memory"], name
        if name in SERVICES:
            assert security["readOnlyRootFilesystem"] is True, name
            assert container["args"] == [name]


def test_every_mount_has_its_volume() -> None:
    for document in rendered("single"):
        if document["kind"] not in ("Deployment", "StatefulSet"):
            continue
        spec = document["spec"]
        pod = spec["template"]["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        mounted = {m["name"] for c in pod["containers"] for m in c["volumeMounts"]}
        assert mounted <= volumes, document["metadata"]["name"]


def test_no_secret_value_is_in_the_manifests() -> None:
    assert [d for d in rendered("single") if d["kind"] == "Secret"] == []


def test_the_database_speaks_tls_and_those_who_ask_it_hold_its_authority() -> None:
    pods = {name: container for name, _, container in containers("single")}

    assert "ssl=on" in pods["postgres"]["args"]
    for service in ("ingest", "reporter", "console"):
        mounted = {mount["name"]: mount["mountPath"] for mount in pods[service]["volumeMounts"]}
        assert mounted["hub-ca"] == "/etc/pagetally/ca", service
