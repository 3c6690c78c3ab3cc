"""One run from settings to report: the world built, the rounds turned, everything written down."""

from __future__ import annotations

import gc
import json
import platform
import resource
import shutil
import time
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import dapp
from dapp import compute
from dapp.chain.facts import export_events
from dapp.crypto import cid
from dapp.errors import CairnError, SettingsError, StoreFull
from dapp.report import files, progress, schema
from dapp.requester.dealer import find_prime
from dapp.runtime.loop import Loop
from dapp.settings import Settings
from dapp.simulation.faults import Scenario
from dapp.simulation.ground import Place, embedded
from dapp.simulation.observer import Observer
from dapp.simulation.world import World, build

PACKAGES = ("torch", "numpy", "gmpy2", "web3", "py-evm", "phe")


class Stopwatch:
    """Wall seconds, part after part; the parts add up to the whole."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.seconds: dict[str, float] = {}
        self._since = began

    def lap(self, part: str) -> None:
        """Books the time since the last lap."""
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now


def run(
    settings: Settings,
    folder: Path,
    listener: progress.Listener,
    scenario: Scenario,
    *,
    project: Path | None = None,
    place: Place = embedded,
    began: float | None = None,
    min_key_bits: int = 2048,
) -> schema.Report:
    """Runs a task in this process, on the embedded chain and store unless told otherwise, and writes ``folder``.

    Args:
        folder: made anew; gets report.json, report.html, plots, model.safetensors, events.jsonl,
            deployment.json and store/.
        project: where ``file.py:Name`` settings are looked up; default the current folder.
        place: prepares chain and store.
        began: ``time.perf_counter()`` when the process began to work on this, so that imports are counted.
        min_key_bits: under 2,048 for tests only.

    Raises:
        SettingsError: ``folder`` is there already.
        KeyboardInterrupt: after the partial report was written.
        CairnError: what stopped the run; a partial report is written where the rounds had begun.
    """
    watch = Stopwatch(time.perf_counter() if began is None else began)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    watch.lap("imports")
    if settings.edges < 2 and scenario.cheat in ("edge", "opener"):
        raise SettingsError(f"a cheating {scenario.cheat} needs an honest edge beside it", help="add -c edges=2")
    _make(folder)
    listener.on(progress.Step(f"looking for two safe primes of {settings.key.bits // 2} bits"))
    with compute.create(min(2, settings.workers)) as early:
        primes = [early.submit(find_prime, settings.key.bits // 2) for _ in range(2)]
        _preload()
        watch.lap("imports")
        with compute.create(settings.workers) as executor:

            def said(what: str) -> None:
                listener.on(progress.Step(what))

            try:
                world = build(
                    settings,
                    folder,
                    project or Path.cwd(),
                    primes,
                    executor,
                    scenario,
                    said,
                    place=place,
                    min_key_bits=min_key_bits,
                )
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)  # nothing has happened yet that anybody could look at
                raise
            watch.lap("setup")
            observer = Observer(world, executor, listener)
            status, message, stop = _turn(world, executor, observer)
            watch.lap("rounds")
            report = _write(world, observer, folder, watch, created, status, message)
    listener.on(progress.Finished(report))
    if stop is not None:
        raise stop
    return report


def _preload() -> None:
    """Imports what the workers need before they are forked, so that they share it."""
    import torch

    import dapp.learning.local_update
    import dapp.learning.metrics
    import dapp.learning.partition  # noqa: F401

    torch.set_num_threads(1)
    gc.freeze()  # what is imported stays: no collection need look at it, and forked workers share its pages


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise SettingsError(
            f"{folder} is there already", help="choose another --name, or remove the folder of the earlier run"
        ) from None
    except OSError as error:
        raise StoreFull(f"{folder} cannot be made: {error.strerror}", help="check the disk and its rights") from error


def _turn(world: World, executor: compute.Executor, observer: Observer) -> tuple[Any, str, BaseException | None]:
    """Turns the loop until everybody has been paid."""
    loop = Loop(
        world.nodes,
        world.client,
        world.contracts,
        world.clock,
        executor,
        observer.on_events,
        observer.on_start,
        observer.on_done,
    )
    try:
        while not (observer.view.ended and not any(observer.view.credits.values())):
            loop.turn()
            observer.after_turn()
        observer.tell_rounds(wait=True)
    except KeyboardInterrupt as stop:
        return "interrupted", "stopped by the keyboard", stop
    except CairnError as stop:
        return "failed", str(stop), stop
    return "complete", "", None


def _write(
    world: World, observer: Observer, folder: Path, watch: Stopwatch, created: str, status: Any, message: str
) -> schema.Report:
    """Everything that people and auditors need, also of a run that was cut off."""
    try:
        export_events(world.client, world.contracts.deployment, folder / "events.jsonl")
        deployed = json.dumps(world.contracts.deployment.to_json(), indent=2)
        (folder / "deployment.json").write_text(deployed + "\n", encoding="utf-8")
        model = observer.view.model
        if model is not None:
            data = world.store.get(model.digest, model.size, cap=model.size)
            (folder / "model.safetensors").write_bytes(data)
        watch.lap("audit trail")
        report = _report(world, observer, watch, created, status, message)
        for name, content in files.rendered(report).items():
            (folder / name).write_bytes(content)
        watch.lap("report")
        report = _report(world, observer, watch, created, status, message)
        (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
    except OSError as error:
        raise StoreFull(
            f"{folder} cannot be written: {error.strerror}", help="free some space; the chain's facts were not lost"
        ) from error
    return report


def _report(
    world: World, observer: Observer, watch: Stopwatch, created: str, status: Any, message: str
) -> schema.Report:
    model = observer.view.model
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return schema.Report(
        schema=1,
        cairn=dapp.__version__,
        name=world.settings.name,
        created=created,
        status=status,
        message=message,
        settings=dict(_flat(world.settings)),
        machine=_machine(),
        task=_task(world, observer),
        rounds=observer.reports(),
        best=observer.best(),
        final=None
        if model is None
        else schema.Final(
            digest=f"0x{model.digest.hex()}",
            cid=cid.cid_v1(model.digest, model.size),
            path="model.safetensors",
            accuracy=observer.final_accuracy(),
        ),
        seconds=dict(watch.seconds),
        work=dict(observer.work),
        total_seconds=sum(watch.seconds.values()),
        gas=_gas(world),
        bytes=_traffic(world),
        peak_memory=schema.PeakMemory(main_mib=used, workers_mib=tuple(observer.workers_mib.values())),
        faults=tuple(observer.faults),
        warnings=_warnings(world, observer),
    )


def _flat(value: Any, prefix: str = "") -> Sequence[tuple[str, Any]]:
    """Dotted keys and plain values of a settings tree."""
    pairs: list[tuple[str, Any]] = []
    for each in fields(value):
        item, key = getattr(value, each.name), f"{prefix}{each.name}"
        pairs += _flat(item, f"{key}.") if is_dataclass(item) else [(key, item)]
    return pairs


def _machine() -> schema.Machine:
    import os

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return schema.Machine(
        cpu=cpu,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mib=pages // 2**20,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
    )


def _task(world: World, observer: Observer) -> schema.Task:
    terms, facts = world.facts.terms, world.facts
    parameters = _parameters(world)
    values = parameters + 1
    sizes = [c.update.size for r in observer.view.rounds for c in r.commits.values()]
    update = max(sizes, default=terms.encoding.ciphertexts * facts.key.public.ciphertext_bytes)
    strategy = {each.name: getattr(world.strategy, each.name) for each in fields(world.strategy)}
    return schema.Task(
        id=f"0x{facts.task_id.hex()}",
        terms_digest=f"0x{world.task_created.terms_digest.hex()}",
        model=world.split.model,
        parameters=parameters,
        values=values,
        slots=terms.encoding.slots,
        ciphertexts=terms.encoding.ciphertexts,
        ciphertext_bytes=facts.key.public.ciphertext_bytes,
        update_bytes=update,
        expansion=update / (4 * values),
        key_bits=terms.key.bits,
        threshold=terms.key.threshold,
        holders=terms.key.holders,
        devices=world.settings.devices,
        edges=world.settings.edges,
        verifiers=world.settings.verifiers,
        seats=terms.panel.seats,
        strategy=strategy,
        chain_id=facts.chain_id,
        contracts={role: f"0x{address.hex()}" for role, address in world.contracts.deployment.addresses().items()},
    )


def _parameters(world: World) -> int:
    from dapp.learning.vectors import weights_of

    return len(weights_of(world.first_model))


def _gas(world: World) -> tuple[schema.Gas, ...]:
    return tuple(
        schema.Gas(
            function=function,
            calls=len(used),
            min=min(used),
            median=round(median(used)),
            max=max(used),
            total=sum(used),
        )
        for function, used in sorted(world.client.gas_used.items())
    )


def _traffic(world: World) -> tuple[schema.Traffic, ...]:
    """A device's bytes, its key share's work included."""
    sent: dict[int, list[int]] = {}
    for node in (*world.nodes_of("device"), *world.nodes_of("holder")):
        index = int(node.name.rpartition(" ")[2])
        moved = sent.setdefault(index, [0, 0])
        moved[0] += node.store.transfers.sent
        moved[1] += node.store.transfers.received
    return tuple(schema.Traffic(device=i, sent=s, received=r) for i, (s, r) in sorted(sent.items()))


def _warnings(world: World, observer: Observer) -> tuple[str, ...]:
    warnings = ["The key was made by a dealer, who knew all of it for a moment."]
    clipped = sum(d.clipped for r in observer.reports() for d in r.devices)
    if clipped:
        warnings.append(
            f"{clipped:,} values lay beyond ±{world.settings.encoding.clip} and were clipped: raise encoding.clip."
        )
    if world.facts.terms.key.bits < 3072:
        warnings.append(f"A {world.facts.terms.key.bits}-bit key gives about 112 bits of security; 3,072 gives 128.")
    return tuple(warnings)
