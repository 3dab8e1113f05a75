from __future__ import annotations

import pickle

import pytest

from openhands_ray import errors
from openhands_ray.errors import (
    ClusterError,
    OpenHandsRayError,
    SessionError,
    SessionLostError,
    SessionStartError,
    SessionTimeoutError,
    translated,
)


def _classes() -> list[type[OpenHandsRayError]]:
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    return [each for each in found if issubclass(each, OpenHandsRayError)]


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes() -> None:
    assert errors.__doc__ is not None
    drawn = {word for word in errors.__doc__.replace("`", " ").split() if word.endswith("Error")}
    assert drawn == {each.__name__ for each in _classes()}


@pytest.mark.parametrize("error", [SessionStartError("s1", "no bwrap"), SessionLostError("gone"), ClusterError("c")])
def test_they_survive_the_way_through_ray(error: OpenHandsRayError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_rays_errors_become_ours() -> None:
    from ray.exceptions import ActorDiedError, GetTimeoutError, RayError, RayTaskError

    cases: list[tuple[Exception, type[Exception]]] = [
        (GetTimeoutError("late"), SessionTimeoutError),
        (ActorDiedError(), SessionLostError),
        (RayError("other"), ClusterError),
        (RayTaskError("act", "trace", SessionStartError("s", "why")), SessionStartError),
        (RayTaskError("act", "trace", ValueError("bad")), SessionError),
    ]
    for raised, expected in cases:
        with pytest.raises(expected) as caught, translated("s", "run"):
            raise raised
        assert type(caught.value) is expected


def test_a_lost_session_says_that_the_action_may_have_run() -> None:
    from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

    for raised in (ActorDiedError(), ActorUnavailableError("refused", None), RayError("other")):
        with pytest.raises(OpenHandsRayError, match="may have had an effect"), translated("s", "run"):
            raise raised


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), translated("s", "run"):
        raise KeyError("x")
