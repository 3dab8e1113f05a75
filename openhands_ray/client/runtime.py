"""``RayRuntime``: OpenHands' ``Runtime``, with each session in a Ray actor."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from openhands.core.config import OpenHandsConfig
from openhands.core.config.mcp_config import MCPConfig, MCPStdioServerConfig
from openhands.core.exceptions import (
    AgentRuntimeDisconnectedError,
    AgentRuntimeError,
    AgentRuntimeNotFoundError,
)
from openhands.events import EventStream
from openhands.events.action import (
    ActionConfirmationStatus,
    AgentThinkAction,
    BrowseInteractiveAction,
    BrowseURLAction,
    CmdRunAction,
    FileEditAction,
    FileReadAction,
    FileWriteAction,
    IPythonRunCellAction,
)
from openhands.events.action.action import Action
from openhands.events.action.mcp import MCPAction
from openhands.events.event import FileEditSource
from openhands.events.observation import (
    AgentThinkObservation,
    ErrorObservation,
    NullObservation,
    Observation,
    UserRejectObservation,
)
from openhands.events.serialization import event_to_dict, observation_from_dict
from openhands.events.serialization.action import ACTION_TYPE_TO_CLASS
from openhands.integrations.provider import PROVIDER_TOKEN_TYPE
from openhands.llm.llm_registry import LLMRegistry
from openhands.runtime.base import Runtime
from openhands.runtime.plugins import AgentSkillsRequirement, JupyterRequirement, PluginRequirement
from openhands.runtime.runtime_status import RuntimeStatus
from openhands.runtime.utils.system_stats import update_last_execution_time
from openhands.utils.async_utils import call_sync_from_async

from openhands_ray.client.copies import download, upload
from openhands_ray.client.environment import export_commands
from openhands_ray.client.stream import LineCallback, streamed
from openhands_ray.client.translation import openhands_errors
from openhands_ray.client.volumes import volumes
from openhands_ray.cluster import connected, disconnect
from openhands_ray.config import Settings
from openhands_ray.errors import (
    SessionExistsError,
    SessionLostError,
    SessionNotFoundError,
    SessionTimeoutError,
)
from openhands_ray.session import Session

if TYPE_CHECKING:
    from openhands_ray.client.mcp import McpBridge

#: Seconds that an answer may be late after an action's own timeout. From OpenHands' ActionExecutionClient.
GRACE_S = 5

#: Seconds for what OpenHands' server gives ten: listing a folder, starting a copy.
REQUEST_TIMEOUT_S = 30

#: Seconds for the answer that the session is there. From OpenHands' ActionExecutionClient.
ALIVE_TIMEOUT_S = 5

#: OpenHands' answer where there is no browser.
NO_BROWSER = "Browser functionality is not supported or disabled."

StatusCallback = Callable[[str, RuntimeStatus, str], None]


class RayRuntime(Runtime):  # type: ignore[misc]
    """An OpenHands runtime whose sessions are Ray actors.

    Select it with ``RUNTIME=openhands_ray.RayRuntime``. With no Ray cluster it starts a small private one, which ends
    with the program; ``RAY_ADDRESS`` names one to use instead.

    Attributes:
        settings: What all runtimes of this process use. None: the ``OPENHANDS_RAY_*`` variables of the environment.
    """

    settings: ClassVar[Settings | None] = None

    def __init__(
        self,
        config: OpenHandsConfig,
        event_stream: EventStream,
        llm_registry: LLMRegistry,
        sid: str = "default",
        plugins: list[PluginRequirement] | None = None,
        env_vars: dict[str, str] | None = None,
        status_callback: StatusCallback | None = None,
        attach_to_existing: bool = False,
        headless_mode: bool = True,
        user_id: str | None = None,
        git_provider_tokens: PROVIDER_TOKEN_TYPE | None = None,
    ) -> None:
        self._session: Session | None = None
        self._closed = False
        self._mcp: McpBridge | None = None
        self._mcp_servers: list[MCPStdioServerConfig] = []
        self._shell_stream: LineCallback | None = None
        self._action_lock = threading.Lock()  # one action at a time, as OpenHands' own client
        super().__init__(
            config,
            event_stream,
            llm_registry,
            sid,
            plugins,
            env_vars,
            status_callback,
            attach_to_existing,
            headless_mode,
            user_id,
            git_provider_tokens,
        )

    async def connect(self) -> None:
        """Start the session, or attach to the one that has this id already.

        Raises:
            AgentRuntimeDisconnectedError: there is none, and this runtime is only to attach.
            AgentRuntimeUnavailableError: there is no cluster, or no node of it had room in time.
            AgentRuntimeError: no session could be started, or an evaluation in BrowserGym is asked for.
        """
        self.set_runtime_status(RuntimeStatus.STARTING_RUNTIME)
        self._refuse_evaluation()
        with openhands_errors():
            self._session = await call_sync_from_async(self._open)
        self._closed = False
        self._warn_of_weak_walls()
        self.set_runtime_status(RuntimeStatus.STARTING_RUNTIME)  # twice, as OpenHands' own: it was found, or started
        if not self.attach_to_existing:
            await call_sync_from_async(self.setup_initial_env)
            self.set_runtime_status(RuntimeStatus.READY)
        self._runtime_initialized = True

    def _refuse_evaluation(self) -> None:
        if environment := self.config.sandbox.browsergym_eval_env:
            raise AgentRuntimeError(
                f"browsergym_eval_env = {environment!r}: a session's browser has no environment of BrowserGym, so it "
                "knows no goals and no rewards. Nothing was started. Leave it unset, or use another runtime."
            )

    def _open(self) -> Session:
        settings = self.settings or Settings.from_environment()
        if self.attach_to_existing:
            return Session.attach(self.sid, settings)
        spec = {
            "workspace": self.config.workspace_mount_path_in_sandbox,
            "isolation": settings.isolation,
            "network": settings.network,
            "limits": settings.limits,
            "cgroup": settings.cgroup,
            "volumes": volumes(self.config),
            "environment": {},
            "no_change_timeout_s": settings.no_change_timeout_s,
            "kernel": any(isinstance(plugin, JupyterRequirement) for plugin in self.plugins),
            "browser": settings.warm_browser and self.config.enable_browser,
            "vscode": self.vscode_enabled,
            "skills": any(isinstance(plugin, AgentSkillsRequirement) for plugin in self.plugins),
        }
        keep = self.config.sandbox.keep_runtime_alive
        try:
            return Session.create(self.sid, spec, settings, keep=keep, told=self._tell_of_the_queue)
        except SessionExistsError:
            self.log("info", "There is a session with this id already: connecting to it.")
        try:
            return Session.attach(self.sid, settings)
        except (SessionLostError, SessionNotFoundError):  # it was about to end
            return Session.create(self.sid, spec, settings, keep=keep, told=self._tell_of_the_queue)

    def _tell_of_the_queue(self, text: str) -> None:
        self.log("warning", text)
        self.set_runtime_status(RuntimeStatus.STARTING_RUNTIME, text)

    def _warn_of_weak_walls(self) -> None:
        info = self._live().info
        if info["isolation"] == "process" and info["sandbox_problem"] is not None:
            self.log(
                "warning",
                "This session is a plain process: it can read what the user that runs it can, and see other sessions. "
                f"The reason: {info['sandbox_problem']}.",
            )
        if info["limits_missing"]:
            variables = {"memory_bytes": "OPENHANDS_RAY_MEMORY_LIMIT_BYTES", "processes": "OPENHANDS_RAY_PROCESS_LIMIT"}
            self.log(
                "warning",
                "Nothing keeps this session from using all that its node has: "
                f"{' and '.join(info['limits_missing'])} are not limited. The reason: {info['limits_problem']}. "
                f"What {' and '.join(variables[each] for each in info['limits_missing'])} ask for is watched.",
            )

    @property
    def isolation(self) -> str:
        """The walls that this session has: ``sandbox`` or ``process``."""
        return str(self._live().info["isolation"])

    @property
    def limits(self) -> dict[str, dict[str, float | str]]:
        """The limits of this session by name: the ``value`` of each, and by what it is ``held``."""
        return dict(self._live().info["limits"])

    def _live(self) -> Session:
        if self._session is None:
            kind = AgentRuntimeDisconnectedError if self._closed else AgentRuntimeNotFoundError
            raise kind(f"The session {self.sid!r} is not connected.")
        return self._session

    def close(self) -> None:
        """End the session; one that was attached to, or that is to stay alive, goes on. Idempotent."""
        session, self._session = self._session, None
        bridge, self._mcp, self._mcp_servers = self._mcp, None, []
        if session is None:
            return
        self._closed = True
        if not (self.attach_to_existing or self.config.sandbox.keep_runtime_alive):
            session.close()
        if bridge is not None:  # after the session, whose end is the end of its servers too
            bridge.close()

    @classmethod
    async def delete(cls, conversation_id: str) -> None:
        """End the session of a conversation, whichever process of this cluster started it, if there is one."""
        settings = cls.settings or Settings.from_environment()
        with openhands_errors():
            await call_sync_from_async(Session.end, conversation_id, settings)

    def pause(self) -> None:
        """Stop all processes of the session, when the running action is done; none runs before ``resume()``.

        OpenHands' Docker runtime stops its container, and its processes end; here they keep their state.

        Raises:
            AgentRuntimeError: the session is not there.
        """
        with self._action_lock, openhands_errors():
            self._live().request("pause", REQUEST_TIMEOUT_S)

    def resume(self) -> None:
        """Let the session go on where ``pause()`` stopped it.

        Raises:
            AgentRuntimeError: the session is not there.
        """
        with openhands_errors():
            self._live().request("resume", REQUEST_TIMEOUT_S)

    def check_if_alive(self) -> None:
        """Ask the session whether it can act.

        Raises:
            AgentRuntimeDisconnectedError: it has ended.
            AgentRuntimeTimeoutError: it did not answer.
        """
        with openhands_errors():
            self._live().check(ALIVE_TIMEOUT_S)

    def health(self) -> dict[str, Any]:
        """Return how the session is, in one call that waits behind no action.

        Returns:
            ``state`` (running, idle or paused), ``age_s``, ``idle_s``, ``actions`` (how many there were), ``action``
            (the kind of the last one), ``memory_bytes`` (unique, of all its processes), ``ahead`` (whether it came from
            the pool), ``round_trip_s``, ``isolation``, ``host`` and ``version``.

        Raises:
            AgentRuntimeDisconnectedError: it has ended.
            AgentRuntimeTimeoutError: it did not answer.
        """
        with openhands_errors():
            session = self._live()
            status = session.status(ALIVE_TIMEOUT_S)
        return {**status, **{name: session.info[name] for name in ("isolation", "host", "version")}}

    def add_env_vars(self, env_vars: dict[str, str]) -> None:
        """Set variables in the shell, its ``~/.bashrc`` and the kernel.

        As OpenHands' own, but for the kernel, which has not to be there yet (OpenHands runs a cell, and waits for it at
        each connection), and ``~/.bashrc``, which gets what the shell gets (OpenHands loses all quotes there, and its
        shell hangs where a value has an odd one).

        Raises:
            RuntimeError: a name is none, or the shell is busy.
        """
        if not env_vars:
            return
        environment = {name.upper(): value for name, value in env_vars.items()}
        with openhands_errors():
            self._live().request("add_environment", REQUEST_TIMEOUT_S, environment=environment)
        now, lasting = export_commands(environment)
        failed = f"Failed to add env vars [{environment.keys()}] to"
        self._run_cmd_with_retry(now, f"{failed} environment")
        self._run_cmd_with_retry(lasting, f"{failed} .bashrc")

    def run(self, action: CmdRunAction) -> Observation:
        """Run a command in the session's shell."""
        with streamed(self._live(), self._shell_stream):
            return self._act(action)

    def run_ipython(self, action: IPythonRunCellAction) -> Observation:
        """Run a cell in the session's kernel."""
        return self._act(action)

    def read(self, action: FileReadAction) -> Observation:
        """Read a file."""
        return self._act(action)

    def write(self, action: FileWriteAction) -> Observation:
        """Write a file."""
        return self._act(action)

    def edit(self, action: FileEditAction) -> Observation:
        """Edit a file; the edit by a language model stays on this side."""
        if action.impl_source == FileEditSource.LLM_BASED_EDIT:
            return self.llm_based_edit(action)
        return self._act(action)

    def browse(self, action: BrowseURLAction) -> Observation:
        """Open a page in the session's browser."""
        return self._act(action)

    def browse_interactive(self, action: BrowseInteractiveAction) -> Observation:
        """Act on the page in the session's browser."""
        return self._act(action)

    def _act(self, action: Action) -> Observation:
        if action.timeout is None:
            if isinstance(action, CmdRunAction) and action.blocking:
                raise RuntimeError("Blocking command with no timeout set")
            action.set_hard_timeout(self.config.sandbox.timeout, blocking=False)
        with self._action_lock:
            observation = self._answer_here(action)
            return self._send(action) if observation is None else observation

    def _answer_here(self, action: Action) -> Observation | None:
        """Return the observation of an action that no session is asked for, or None."""
        if not action.runnable:
            thought = isinstance(action, AgentThinkAction)
            return AgentThinkObservation("Your thought has been logged.") if thought else NullObservation("")
        state = getattr(action, "confirmation_state", None)
        if state == ActionConfirmationStatus.AWAITING_CONFIRMATION:
            return NullObservation("")
        if action.action not in ACTION_TYPE_TO_CLASS:
            raise ValueError(f"Action {action.action} does not exist.")
        if not hasattr(self, action.action):
            text = f"Action {action.action} is not supported in the current runtime."
            return ErrorObservation(text, error_id="AGENT_ERROR$BAD_ACTION")
        if state == ActionConfirmationStatus.REJECTED:
            return UserRejectObservation("Action has been rejected by the user! Waiting for further user input.")
        if isinstance(action, BrowseURLAction | BrowseInteractiveAction) and not self.config.enable_browser:
            return ErrorObservation(NO_BROWSER)
        return None

    def _send(self, action: Action) -> Observation:
        late = f"Runtime failed to return execute_action before the requested timeout of {action.timeout}s"
        try:
            with openhands_errors(late):
                answer = self._live().act(event_to_dict(action), action.timeout + GRACE_S)
        finally:
            update_last_execution_time()
        if getattr(action, "hidden", False):
            answer["extras"]["hidden"] = True
        observation = observation_from_dict(answer)
        observation._cause = action.id
        return observation

    def list_files(self, path: str | None = None) -> list[str]:
        """Return the names in a folder of the session, by default the workspace; folders first, with a slash."""
        try:
            names: list[str] = self._live().request("list", REQUEST_TIMEOUT_S, path=path)
        except SessionTimeoutError as error:
            raise TimeoutError("List files operation timed out") from error
        except SessionLostError as error:
            raise AgentRuntimeDisconnectedError(str(error)) from error
        return names

    def copy_to(self, host_src: str, sandbox_dest: str, recursive: bool = False) -> None:
        """Copy a file into a folder of the session; a zip file, and with ``recursive`` a folder, is unpacked there.

        The folder keeps its own name, unless ``host_src`` ends in a slash.

        Raises:
            FileNotFoundError: ``host_src`` is not there.
            AgentRuntimeDisconnectedError: the session has ended.
            TransferError: the session did not take it; nothing was written there.
        """
        upload(self._live(), host_src, sandbox_dest, recursive)

    def copy_from(self, path: str) -> Path:
        """Return a new zip file, here, of all that is below ``path`` in the session. The caller removes it.

        Raises:
            FileNotFoundError: nothing is there.
            AgentRuntimeDisconnectedError: the session has ended.
            TransferError: the session could not give it.
        """
        return download(self._live(), path)

    def get_mcp_config(self, extra_stdio_servers: list[MCPStdioServerConfig] | None = None) -> MCPConfig:
        """Return the MCP servers under their addresses; those that are processes live in the session, behind one.

        Raises:
            AgentRuntimeNotFoundError: there are such, and no session.
        """
        config: MCPConfig = self.config.mcp.model_copy(deep=True)
        new = [each for each in [*config.stdio_servers, *(extra_stdio_servers or [])] if each not in self._mcp_servers]
        if new:
            self._mcp_bridge().offer([*self._mcp_servers, *new])
            self._mcp_servers += new
        if self._mcp is not None:
            config.sse_servers.append(self._mcp.address)
        return config

    def _mcp_bridge(self) -> McpBridge:
        if self._mcp is None:
            from openhands_ray.client.mcp import McpBridge

            self._mcp = McpBridge(self._live())
        return self._mcp

    async def call_tool_mcp(self, action: MCPAction) -> Observation:
        """Call a tool of an MCP server."""
        from openhands.mcp.utils import call_tool_mcp, create_mcp_clients

        config = self.get_mcp_config()
        clients = await create_mcp_clients(config.sse_servers, config.shttp_servers, self.sid)
        return await call_tool_mcp(clients, action)

    def subscribe_to_shell_stream(self, callback: LineCallback | None = None) -> bool:
        """Call ``callback`` with each line that commands print from now on, while they run; None ends that."""
        self._shell_stream = callback
        return True

    @classmethod
    def setup(cls, config: OpenHandsConfig, headless_mode: bool = False) -> None:
        """Connect to the cluster ahead of the first session, or start the private one."""
        connected(cls.settings or Settings.from_environment())

    @classmethod
    def teardown(cls, config: OpenHandsConfig) -> None:
        """Leave the cluster; a private one ends, with all of its sessions."""
        disconnect()

    @property
    def vscode_url(self) -> str | None:
        """Where the session's VSCode server is; None where its node has none, or OpenHands' plugin is not asked for."""
        if not (self.vscode_enabled and self.runtime_initialized):
            return None
        with openhands_errors():
            server = self._live().request("vscode", REQUEST_TIMEOUT_S)
        if server is None:
            return None
        return f"http://{self._host}:{server['port']}/?tkn={server['token']}&folder={server['folder']}"

    @property
    def web_hosts(self) -> dict[str, int]:
        """Where web applications of the agent can be seen, each with the port to serve it on: the node's network."""
        ports = [] if self._session is None else self._session.info["ports"]
        return {f"http://{self._host}:{port}": port for port in ports}

    @property
    def _host(self) -> str:
        there = str(self._live().info["host"])
        return "localhost" if there == socket.gethostname() else there
