from __future__ import annotations

import threading

from openhands_ray.worker.activity import Activity


def test_what_runs_is_not_idle() -> None:
    activity = Activity()
    assert activity.status()["action"] is None
    with activity.of("run"):
        with activity.of():
            assert (activity.status()["state"], activity.idle_s()) == ("running", 0)
        assert activity.status()["state"] == "running"
    status = activity.status()
    assert (status["state"], status["action"], status["actions"]) == ("idle", "run", 1)
    assert 0 < status["idle_s"] < status["age_s"]
    activity.paused = True
    assert activity.status()["state"] == "paused"


def test_the_limit_is_counted_from_the_end_of_the_last_action() -> None:
    activity, over = Activity(), threading.Event()
    with activity.of("run"):
        activity.when_idle_for(0.05, over.set)
        assert not over.wait(0.2)
    assert over.wait(10)
    assert activity.idle_s() >= 0.05


def test_what_has_ended_is_not_watched() -> None:
    activity, over = Activity(), threading.Event()
    activity.when_idle_for(0.05, over.set)
    activity.end()
    assert not over.wait(0.2)
