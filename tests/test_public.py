from __future__ import annotations

import pytest
from support import run_python

import openhands_ray


def test_the_public_names() -> None:
    assert openhands_ray.__all__ == ["RayRuntime", "Settings", "__version__"]
    assert dir(openhands_ray) == sorted(openhands_ray.__all__)
    for name in openhands_ray.__all__:
        assert getattr(openhands_ray, name) is not None


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Runtime'"):
        openhands_ray.Runtime  # noqa: B018


def test_the_package_alone_brings_neither_openhands_nor_ray() -> None:
    done = run_python("import sys, openhands_ray, openhands_ray.session; print(*sys.modules)")
    assert not {"openhands", "ray", "litellm"} & set(done.stdout.split())


def test_the_version_is_that_of_the_project() -> None:
    import tomllib

    from support import ROOT

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == openhands_ray.__version__
