"""`bin/up` once everything is installed: bring the tree up, do the main job, keep the tree up, take it down."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import httpx

from config.stack import engines, options, orphans, tether, valkey
from config.stack.api import Api, Refused
from config.stack.child import ChildFailed
from config.stack.environment import environment, kept
from config.stack.main_job import JobFailed, ModelServer, main_job
from config.stack.options import ROOT, Options
from config.stack.preflight import HOST, NotReady, free_port, is_free
from config.stack.readiness import until, why_redis_does_not_answer
from config.stack.show import Show
from config.stack.state import ADMIN_EMAIL, TENANT, State
from config.stack.supervisor import Supervisor
from config.stack.tree import STOP_ORDER, Tree

READY_SECONDS = 60.0
MAIN_JOB_SECONDS = 900.0
LOGS_SECONDS = 60.0  # between looks at their length
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    chosen = options.parse(sys.argv[1:])
    show = Show()
    orphans.adopt()
    os.umask(0o077)  # the database and the logs are nobody else's business
    try:
        state = State(chosen.state)
        status = asyncio.run(Up(chosen, state, state.lock(), show).run())
    except NotReady as reason:
        show.error(str(reason))
        status = 1
    orphans.end_all()
    sys.exit(status)


class Up:
    """One run of `bin/up`, from the first child to the last."""

    def __init__(self, chosen: Options, state: State, lock: int, show: Show) -> None:
        self.chosen = chosen
        self.state = state
        self.show = show
        self.port = chosen.port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        if chosen.demo:
            engines.require()
        if not options.has_own_redis(os.environ):
            valkey.binary()
        self.demo_port = self._demo_port() if chosen.demo else None
        self.server = self._model_server()
        settings = environment(state, port=self.port, model_server=self.server.url if self.server else None)
        state.keep_environment(kept(settings))
        self.tree = Tree(state, settings, self.port, lock)
        self.supervisor = Supervisor(show.notice, stop_order=STOP_ORDER)

    async def run(self) -> int:
        """Gives the exit status. Whatever happens, nothing is left running."""
        interrupted = self._hear_signals()
        self.state.withdraw()
        work = asyncio.create_task(self._work())
        try:
            await asyncio.wait({work, asyncio.ensure_future(interrupted.wait())}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return 130 if self.chosen.once else 0
        except (ChildFailed, JobFailed, NotReady) as failure:
            self.show.error(str(failure))
            return 1
        finally:
            self.state.withdraw()
            self.show.line("stopping")
            await self.supervisor.stop()

    async def _work(self) -> int:
        key = await self._bring_up()
        if self.server is not None:
            job = self._main_job(key)
            if self.chosen.once:
                return await self.supervisor.during(job)
            await self.supervisor.during(job)
        self._tell_how_to_go_on(key)
        await self.supervisor.during(self._stay_up())
        return 0

    async def _stay_up(self) -> None:
        while True:
            self.state.cut_back_logs()
            await asyncio.sleep(LOGS_SECONDS)

    # --- up ---
    async def _bring_up(self) -> str:
        """Everything in order; gives the tenant's key."""
        self.show.head("Start")
        self.tree.clear_metrics()
        if self.demo_port is not None:
            self.supervisor.start(self.tree.demo(self.demo_port, self.state.secret("demo_key")))
        if options.has_own_redis(os.environ):
            await self._require_redis()
        else:
            self.supervisor.start(self.tree.valkey())
            await self._ready("valkey")
        key = await self.supervisor.during(self._prepare())
        self.supervisor.start(self.tree.web(), self.tree.worker(), self.tree.scheduler())
        await self._ready("web", "worker", "scheduler", *(["demo"] if self.demo_port else []))
        if not await self.supervisor.during(until(f"{self.url}/readyz", READY_SECONDS)):
            raise NotReady(f"Not every part is up after {READY_SECONDS:g} s; {self.url}/readyz tells which.")
        self.state.announce(self.url, key)
        return key

    async def _require_redis(self) -> None:
        """Celery would wait for it for ever, and so would we."""
        fault = await why_redis_does_not_answer(self.tree.redis_url())
        if fault:
            raise NotReady(f"The Redis of REDIS_URL does not answer ({fault}). Start it, or leave REDIS_URL out.")
        self.show.done("redis", "the one of REDIS_URL")

    async def _ready(self, *names: str) -> None:
        with self.show.busy(f"starting {', '.join(names)}"):
            await self.supervisor.ready(*names)
        for name in names:
            self.show.done(name)

    async def _prepare(self) -> str:
        given = {"ADMIN_PASSWORD": self.state.admin_password(), "TENANT_KEY": self.state.kept("tenant_key") or ""}
        log = self.state.logs / "prepare.log"
        with log.open("wb") as errors, self.show.busy("preparing the database"):
            process = await asyncio.create_subprocess_exec(
                *[sys.executable, tether.__file__, str(os.getpid()), sys.executable, "-m", "config.stack.prepare"],
                cwd=ROOT,
                env={**self.tree.environment, **given},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            try:
                printed, _ = await process.communicate()
            finally:
                orphans.end_group(process.pid)
        if process.returncode:
            raise NotReady(f"The database could not be prepared. See {log}: {_last_words(log)}")
        tenant = json.loads(printed.splitlines()[-1])
        self.show.done("database")
        self.show.done(f"tenant {TENANT}", "made, with an API key" if tenant["is_new"] else "known from before")
        return self.state.keep("tenant_key", tenant["api_key"])

    # --- the main job ---
    async def _main_job(self, key: str) -> int:
        assert self.server is not None
        api = Api(self.url, TENANT, key)
        try:
            async with asyncio.timeout(MAIN_JOB_SECONDS):
                await main_job(api, self.server, self.show)
        except (JobFailed, Refused, httpx.HTTPError, TimeoutError) as failure:
            self.show.failed("The main job did not go well.", str(failure) or "It took too long.")
            return 1
        finally:
            await api.close()
        self.show.head("The main job went well.")
        return 0

    def _tell_how_to_go_on(self, key: str) -> None:
        self.show.head("Modelyard is up. Ctrl-C ends it.")
        self.show.line(f"API        {self.url}/api/docs/   tenant {TENANT}")
        self.show.line(f"OpenAI     {self.url}/v1")
        self.show.line(f"key        {key}")
        self.show.line(f"admin      {self.url}/admin/   {ADMIN_EMAIL}   {self.state.admin_password()}")
        if self.tree.environment["STAFF_MFA_REQUIRED"] == "false":
            self.show.line("           a password opens it here (STAFF_MFA_REQUIRED); production wants more")
        self.show.line(f"all this   {self.state.directory / 'up.json'}   logs in {self.state.logs}")
        self.show.line(
            "dialling   loopback and private networks are allowed here (EGRESS_ALLOW); production allows none"
        )
        if self.server is not None:
            question = '{"model":"gpt-3.5-turbo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'
            self.show.line("try")
            self.show.line(f"  curl -N {self.url}/v1/chat/completions -H 'Authorization: Bearer {key}' \\")
            self.show.line(f"    -H 'Content-Type: application/json' -d '{question}'")

    # --- what it is told ---
    def _hear_signals(self) -> asyncio.Event:
        """The first ends everything in order, the second at once."""
        interrupted = asyncio.Event()

        def heard() -> None:
            if interrupted.is_set():
                self.supervisor.kill()
            interrupted.set()

        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: the terminal may go
            asyncio.get_running_loop().add_signal_handler(number, heard)
        return interrupted

    def _demo_port(self) -> int:
        """The same at every start, as long as it is free: the provider was registered with it."""
        kept_port = int(self.state.kept("demo_port") or 0)
        port = kept_port if kept_port and is_free(kept_port) else free_port()
        self.state.keep("demo_port", str(port))
        return port

    def _model_server(self) -> ModelServer | None:
        if self.chosen.localai:
            file = self.chosen.localai_key_file
            key = file.read_text().strip() if file else os.environ.get("LOCALAI_API_KEY", "").strip()
            return ModelServer(self.chosen.localai, key or None)
        if self.demo_port is not None:
            return ModelServer(f"http://{HOST}:{self.demo_port}", self.state.secret("demo_key"))
        return None


def _last_words(log: Path) -> str:
    """The line that names an error, else the last one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Configured): ", line)]
    return (errors or lines or ["it said nothing"])[-1]


if __name__ == "__main__":
    main()
