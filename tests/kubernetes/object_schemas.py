"""What Kubernetes and the operators would say of an object. An object of an unknown kind is wrong."""

import functools
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from kubernetes_validate.utils import SchemaNotFoundError, ValidationError, validate

VERSIONS = ("1.30", "1.34", "1.37")
_VALIDATE = Path(__file__).parent / "crds" / "validate.mjs"
_INSTALLED = Path(__file__).parents[2] / "build" / "crds"
_CUSTOM = ("monitoring.coreos.com/", "gateway.networking.k8s.io/", "networking.istio.io/", "security.istio.io/")
_MISSING = "There are no schemas of custom kinds: make test-deploy installs them, with npm"


def complaints(objects: Iterable[dict[str, Any]]) -> list[str]:
    found, custom = [], []
    for each in objects:
        if each["apiVersion"].startswith(_CUSTOM):
            custom.append(each)
        else:
            found += [text for version in VERSIONS if (text := _complaint(json.dumps(each), version))]
    return found + (_of_custom(custom) if custom else [])


@functools.cache  # most objects are alike from case to case, and reading the schemas takes long
def _complaint(text: str, version: str) -> str:
    each = json.loads(text)
    name = f"{each['kind']} {each['metadata']['name']} in {version}"
    try:
        validate(each, version, strict=True)
    except ValidationError as error:
        return f"{name}: {'.'.join(str(part) for part in error.path)}: {error.message}"
    except SchemaNotFoundError:
        return f"{name}: there is no such kind"
    return ""


def _of_custom(objects: list[dict[str, Any]]) -> list[str]:
    if not (_INSTALLED / "node_modules").is_dir():
        pytest.fail(_MISSING, pytrace=False)
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", _VALIDATE.read_text()],
        cwd=_INSTALLED,  # where its imports are looked for
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()
