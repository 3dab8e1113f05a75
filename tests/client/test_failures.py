"""What a caller sees where no session answers: OpenHands' own classes, texts and statuses."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import psutil
import pytest
from support import below, gone, kill

from openhands_ray.errors import (
    ClusterError,
    OpenHandsRayError,
    SessionExistsError,
    SessionLostError,
    SessionNotFoundError,
    SessionPausedError,
    SessionStartError,
    SessionTimeoutError,
)

if TYPE_CHECKING:
    from conftest import MakeRuntime


@pytest.fixture(scope="module")
def runtime(make_runtime: MakeRuntime) -> Iterator[Any]:
    runtime = make_runtime()
    runtime.action_semaphore = threading.Semaphore(1)  # what OpenHands' own client has
    yield runtime
    runtime.close()


def command(text: str = "echo ran >> /workspace/ran", timeout_s: float | None = 20, **fields: Any) -> Any:
    from openhands.events.action import CmdRunAction

    action = CmdRunAction(text)
    for name, value in fields.items():
        setattr(action, name, value)
    if timeout_s is not None:
        action.set_hard_timeout(timeout_s, blocking=False)
    return action


def odd(kind: str) -> Any:
    from openhands.events.action.action import Action

    @dataclass
    class Odd(Action):  # type: ignore[misc]
        action: str = kind
        runnable: ClassVar[bool] = True

    return Odd()


def blocking() -> Any:
    action = command(timeout_s=None)
    action.blocking = True
    return action


def confirmation(state: str) -> Callable[[], Any]:
    def make() -> Any:
        from openhands.events.action import ActionConfirmationStatus

        return command(confirmation_state=ActionConfirmationStatus(state))

    return make


def plain(name: str, **args: Any) -> Callable[[], Any]:
    def make() -> Any:
        import openhands.events.action as actions

        return getattr(actions, name)(**args)

    return make


#: Actions that no session is asked for.
ACTIONS: dict[str, Callable[[], Any]] = {
    "a thought": plain("AgentThinkAction", thought="hm"),
    "the end": plain("AgentFinishAction"),
    "a message": plain("MessageAction", content="hi"),
    "nothing": plain("NullAction"),
    "a list of tasks": plain("TaskTrackingAction", command="view"),
    "awaiting confirmation": confirmation("awaiting_confirmation"),
    "rejected": confirmation("rejected"),
    "an action that does not exist": lambda: odd("fly"),
    "an action that no runtime has": lambda: odd("recall"),
    "blocking without a timeout": blocking,
}


def told(ask: Callable[[Any], Any], action: Any) -> tuple[str, str, str]:
    try:
        observation = ask(action)
    except Exception as error:
        return type(error).__name__, str(error), ""
    return type(observation).__name__, observation.content, getattr(observation, "error_id", "")


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_that_no_session_is_asked_for(runtime: Any, name: str) -> None:
    from openhands.runtime.impl.action_execution.action_execution_client import ActionExecutionClient

    theirs = told(lambda action: ActionExecutionClient.send_action_for_execution(runtime, action), ACTIONS[name]())
    assert told(runtime.run, ACTIONS[name]()) == theirs
    assert theirs != ("CmdOutputObservation", "", "")
    assert "ran" not in runtime.list_files()


def test_the_texts_that_callers_match(runtime: Any) -> None:
    assert told(runtime.run, odd("recall")) == (
        "ErrorObservation",
        "Action recall is not supported in the current runtime.",
        "AGENT_ERROR$BAD_ACTION",
    )
    assert told(runtime.run_action, odd("fly")) == ("ErrorObservation", "Action fly does not exist.", "")
    assert told(runtime.run_action, confirmation("rejected")())[0] == "UserRejectObservation"
    assert told(runtime.run, blocking()) == ("RuntimeError", "Blocking command with no timeout set", "")


def test_a_timeout_that_is_not_said_is_the_configured_one(runtime: Any) -> None:
    action = command("echo x", timeout_s=None)
    observation = runtime.run(action)
    assert (observation.exit_code, action.timeout, action.blocking) == (0, runtime.config.sandbox.timeout, False)
    assert observation._cause == action.id


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SessionLostError("x"), "AgentRuntimeDisconnectedError"),
        (SessionNotFoundError("x"), "AgentRuntimeDisconnectedError"),
        (SessionTimeoutError("x"), "AgentRuntimeTimeoutError"),
        (SessionPausedError("x"), "AgentRuntimeNotReadyError"),
        (ClusterError("x"), "AgentRuntimeUnavailableError"),
        (SessionExistsError("x"), "AgentRuntimeError"),
        (SessionStartError("s", "x"), "AgentRuntimeError"),
        (OpenHandsRayError("x"), "AgentRuntimeError"),
    ],
)
def test_each_of_our_errors_has_openhands_class(ours: Exception, theirs: str) -> None:
    from openhands.core.exceptions import AgentRuntimeError

    from openhands_ray.client.translation import openhands_errors

    with pytest.raises(AgentRuntimeError) as caught, openhands_errors():
        raise ours
    assert type(caught.value).__name__ == theirs
    assert str(caught.value) == str(ours)
    assert caught.value.__cause__ is ours


class Stream:
    """A runtime whose actions come over its event stream, as an agent's do, and what comes of them."""

    def __init__(self, make_runtime: MakeRuntime) -> None:
        from openhands.events import EventStreamSubscriber

        self.statuses: list[tuple[str, str, str]] = []
        self.observations: list[Any] = []
        self.changed = threading.Condition()
        self.runtime = make_runtime(status_callback=self._tell)
        self.statuses.clear()
        self.runtime.event_stream.subscribe(EventStreamSubscriber.TEST, self._see, "test")

    def _tell(self, level: str, status: Any, message: str) -> None:
        with self.changed:
            self.statuses.append((level, status.value, message))
            self.changed.notify_all()

    def _see(self, event: Any) -> None:
        from openhands.events.observation import Observation

        if isinstance(event, Observation):
            with self.changed:
                self.observations.append(event)
                self.changed.notify_all()

    def act(self, action: Any) -> None:
        """Add an action, and wait for what comes of it."""
        from openhands.events import EventSource

        with self.changed:
            before = len(self.statuses) + len(self.observations)
            self.runtime.event_stream.add_event(action, EventSource.AGENT)
            assert self.changed.wait_for(lambda: len(self.statuses) + len(self.observations) > before, 60)


def test_through_the_event_stream(make_runtime: MakeRuntime) -> None:
    from openhands.events.action import FileReadAction

    stream = Stream(make_runtime)
    action = command("echo seen")
    stream.act(action)
    (observation,) = stream.observations
    assert (observation.content, observation.exit_code, observation._cause) == ("seen", 0, action.id)
    stream.act(FileReadAction("/workspace/missing"))
    assert stream.observations[-1].observation == "error"
    assert stream.statuses == []
    stream.runtime.close()
    stream.act(command())
    ((level, status, message),) = stream.statuses
    assert (level, status) == ("error", "STATUS$ERROR_RUNTIME_DISCONNECTED")
    assert message.startswith("AgentRuntimeDisconnectedError: ")
    assert stream.runtime.runtime_status.value == status


@pytest.mark.parametrize("victim", ["executor", "actor"])
def test_a_session_that_is_killed_under_its_action(make_runtime: MakeRuntime, victim: str) -> None:
    from openhands.core.exceptions import AgentRuntimeDisconnectedError

    stream = Stream(make_runtime)
    info = stream.runtime._session.info
    found = below(info["executor_pid"])

    def kill_when_begun() -> None:
        while "begun" not in stream.runtime.list_files():
            assert not stream.statuses
        kill(found if victim == "executor" else [psutil.Process(info["pid"])])

    killer = threading.Thread(target=kill_when_begun)
    killer.start()
    stream.act(command("mkfifo go; echo x > /workspace/begun; read -r x < go"))
    killer.join()
    ((level, status, message),) = stream.statuses
    assert (level, status) == ("error", "STATUS$ERROR_RUNTIME_DISCONNECTED")
    assert message.startswith("AgentRuntimeDisconnectedError: ")
    assert "may have had an effect" in message
    assert stream.observations == []
    with pytest.raises(AgentRuntimeDisconnectedError):
        stream.runtime.run(command())
    stream.runtime.close()
    assert gone(found)


def test_a_session_that_does_not_answer_in_time(make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from openhands.core.exceptions import AgentRuntimeTimeoutError

    from openhands_ray.client import runtime as module

    stream = Stream(make_runtime)
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    found = below(stream.runtime._session.info["executor_pid"])
    executor = [each for each in found if each.cmdline()[1:2] == ["-I"]][-1]
    executor.send_signal(signal.SIGSTOP)
    stream.act(command(timeout_s=0.5))
    text = "Runtime failed to return execute_action before the requested timeout of 0.5s"
    assert stream.statuses == [("error", "STATUS$ERROR", f"AgentRuntimeTimeoutError: {text}")]
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 0.1)
    with pytest.raises(TimeoutError, match="List files operation timed out"):
        stream.runtime.list_files()
    with pytest.raises(AgentRuntimeTimeoutError):
        stream.runtime.pause()
    executor.send_signal(signal.SIGCONT)
    stream.runtime.close()


def test_a_tool_call_of_the_agent_without_servers(make_runtime: MakeRuntime) -> None:
    from openhands.events.action.mcp import MCPAction

    stream = Stream(make_runtime)
    stream.act(MCPAction(name="none", arguments={}))
    assert stream.statuses == [("error", "STATUS$ERROR", "ValueError: No MCP clients found")]
    stream.runtime.close()


def test_no_cluster(make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from openhands.core.exceptions import AgentRuntimeUnavailableError

    from openhands_ray import session

    def refuse(_: Any) -> None:
        raise ClusterError("no cluster")

    runtime = make_runtime(connect=False)
    monkeypatch.setattr(session, "connected", refuse)
    with pytest.raises(AgentRuntimeUnavailableError, match="no cluster"):
        asyncio.run(runtime.connect())
    assert not runtime.runtime_initialized
