"""What the actor of a session tells Ray of it: metrics, and logs that carry the session's id."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from openhands_ray import metrics
from openhands_ray.errors import SessionLostError
from openhands_ray.worker.telemetry import Telemetry

#: A session's state and memory are looked at so often in Ray's interval of exporting: it forgets a gauge after two.
LOOKS = 1.25

#: Of an actor's logs, unless the program has set another: Ray's own format, and what its formatters do with more.
LOG_FORMAT = "%(asctime)s\t%(levelname)s %(name)s -- %(message)s session_id=%(session_id)s"


class RayTelemetry(Telemetry):
    """Made by the program that starts a session, and sent to the session's actor.

    Args:
        metrics: whether they are recorded; None: where the actor's node exports them.
    """

    def __init__(self, metrics: bool | None) -> None:
        self._metrics = metrics

    def begin(self) -> None:
        self._sid, self._ended = "", threading.Event()
        self._label_logs()

    def _label_logs(self) -> None:
        """Have all that this process logs carry ``session_id``, also as the program's ``ray.LoggingConfig`` has it."""
        handlers = logging.getLogger().handlers
        if not handlers:
            logging.basicConfig(format=LOG_FORMAT)
        for handler in handlers:
            handler.addFilter(self._label)

    def _label(self, record: logging.LogRecord) -> bool:
        record.session_id = self._sid
        return True

    def watch(self, status: Callable[[], dict[str, Any]]) -> None:
        if self._metrics is not False:
            threading.Thread(target=self._look, args=(status,), name="metrics", daemon=True).start()

    def name(self, sid: str) -> None:
        self._sid = sid

    def end(self) -> None:
        self._ended.set()

    def _look(self, status: Callable[[], dict[str, Any]]) -> None:
        import ray

        metrics.begin(self._metrics)  # here, since whether this node exports them takes a while to find out
        if not metrics.recording():
            return
        before, pause_s = "", ray._config.metrics_report_interval_ms() / 1e3 / LOOKS
        while not self._ended.wait(pause_s):
            try:
                now = status()
            except SessionLostError:
                return
            state = "warm" if now["ahead"] and not self._sid else now["state"]
            if before not in ("", state):
                metrics.record(metrics.SESSIONS, 0, state=before)
            metrics.record(metrics.SESSIONS, 1, state=state)
            metrics.record(metrics.MEMORY, now["memory_bytes"], sid=self._sid)
            before = state
