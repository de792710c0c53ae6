"""A pod of the rendered manifests on this machine: its image's code, its variables, its mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Contents = Mapping[str, Mapping[str, str]]  # of secrets and config maps: name -> key -> value


def prepare(
    folder: Path, documents: list[dict[str, Any]], service: str, contents: Contents
) -> tuple[Path, dict[str, str]]:
    """The folder that holds a service's code as its image does, and its variables.

    Volumes lie in `folder`, each as Kubernetes mounts it, and variables that hold a path below a
    mount lead there. What the service writes anywhere else fails: HOME and PAGETALLY_STATE are
    below a file.
    """
    [document] = [
        each
        for each in documents
        if each["kind"] in ("Deployment", "StatefulSet") and each["metadata"]["name"] == service
    ]
    held = {**_config_maps(documents), **contents}
    pod = document["spec"]["template"]["spec"]
    claims = document["spec"].get("volumeClaimTemplates", [])
    sources: dict[str, dict[str, Any]] = {claim["metadata"]["name"]: {} for claim in claims}
    sources |= {volume["name"]: volume for volume in pod["volumes"]}
    [container] = pod["containers"]
    places = {}
    for mount in container["volumeMounts"]:
        places[mount["mountPath"]] = folder / mount["name"]
        _mount(folder / mount["name"], sources[mount["name"]], held)
    no_folder = folder / "no-folder"
    no_folder.write_text("", encoding="ascii")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(no_folder),
        "PAGETALLY_STATE": str(no_folder / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for variable in container["env"]:
        value = _value(variable, held)
        if value is not None:
            environment[variable["name"]] = _placed(value, places)
    return image_of(folder / "app", service), environment


def start(image: Path, environment: Mapping[str, str], service: str) -> subprocess.Popen[bytes]:
    with (image / "said").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "services.cli", service],
            cwd=image,
            env={**environment, "PYTHONPATH": str(image)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def image_of(folder: Path, service: str) -> Path:
    """What the Dockerfile copies."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "shared", folder / "shared", ignore=ignored)
    shutil.copytree(ROOT / "services" / service, folder / "services" / service, ignore=ignored)
    for name in ("__init__.py", "cli.py", "check_command.py"):
        shutil.copy(ROOT / "services" / name, folder / "services" / name)
    return folder


def _config_maps(documents: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {
        each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"
    }


def _mount(folder: Path, source: Mapping[str, Any], held: Contents) -> None:
    """Secrets and config maps come as links through ..data, so that all keys change at once."""
    folder.mkdir()
    if "secret" in source:
        keys, mode = held[source["secret"]["secretName"]], source["secret"]["defaultMode"]
    elif "configMap" in source:
        keys, mode = held[source["configMap"]["name"]], 0o644
    else:
        return
    (folder / "..2026_01_01").mkdir()
    (folder / "..data").symlink_to("..2026_01_01")
    for key, value in keys.items():
        file = folder / "..data" / key
        file.write_text(value, encoding="utf-8")
        file.chmod(mode)
        (folder / key).symlink_to(Path("..data") / key)


def _value(variable: Mapping[str, Any], held: Contents) -> str | None:
    if "value" in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    if reference.get("optional"):
        return held.get(reference["name"], {}).get(reference["key"])
    return held[reference["name"]][reference["key"]]


def _placed(value: str, places: Mapping[str, Path]) -> str:
    for mounted, place in places.items():
        if value == mounted or value.startswith(mounted + "/"):
            return str(place) + value.removeprefix(mounted)
    return value
