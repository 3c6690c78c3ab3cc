"""A report in words, tables and trees: what the page and the terminal both show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Literal

from dapp.report.schema import Kind, Outcome, Payment, Report, RoundReport, Task, Value

Tone = Literal["good", "mixed", "bad", "plain"]
MAX_COLUMNS = 16
"""Devices that a table gives a column each."""
NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first column names the row, the others hold figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A fact and what it consists of."""

    text: str
    children: tuple[Node, ...] = ()
    tone: Tone = "plain"


def percent(share: float) -> str:
    """0.934 → 93.4 %."""
    return f"{100 * share:.1f}{NBSP}%"


def seconds(value: float) -> str:
    """With the digits that a reader can use: 0.04 s, 3.1 s, 24 s."""
    return f"{value:.2f}{NBSP}s" if value < 1 else f"{value:.1f}{NBSP}s"


def size(count: int) -> str:
    """Bytes with a binary unit."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count:,}{NBSP}B" if unit == "B" else f"{value:,.1f}{NBSP}{unit}"


def ether(wei: int) -> str:
    """Wei in the largest unit that leaves a figure worth reading."""
    for unit, exponent in (("ETH", 18), ("gwei", 9)):
        if wei >= 10 ** (exponent - 5):
            return f"{wei / 10**exponent:,.6f}".rstrip("0").rstrip(".") + NBSP + unit
    return f"{wei:,}{NBSP}wei"


def short(name: str) -> str:
    """A digest, address or CID that can be told from others at a glance."""
    return name if len(name) <= 20 else f"{name[:10]}…{name[-6:]}"


def named(names: Sequence[str]) -> str:
    """The names, or how many more where they would fill the line."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def faults(report: Report) -> list[tuple[str, str, str]]:
    """(round, who, what) of all faults; those of whom the same is said share a line."""
    groups: dict[tuple[int | None, str], list[str]] = {}
    for fault in report.faults:
        names = groups.setdefault((fault.round, fault.what), [])
        if (name := who(fault.role, fault.name)) not in names:
            names.append(name)
    return [
        ("" if number is None else f"round {number}: ", named(names), what) for (number, what), names in groups.items()
    ]


def who(role: str, name: str) -> str:
    """A name that says its role: "edge Ada", but "edge-0"."""
    return name if name.startswith(role) else f"{role} {name}"


def plural(count: int, noun: str) -> str:
    """1 round, 2 rounds."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Iterable[str]) -> str:
    """Names in a row, an em dash where there is none."""
    return ", ".join(names) or "—"


def headline(report: Report) -> str:
    """What came out, in one or two sentences."""
    if report.status != "complete":
        return f"The run was {report.status}: {report.message}." if report.message else f"The run was {report.status}."
    what = f"{plural(len(report.rounds), 'encrypted round')} in {seconds(report.total_seconds)}."
    last = next((r.accuracy for r in reversed(report.rounds) if r.accuracy), None)
    if last is None:
        return what
    together = f"Together the devices label {percent(last.global_)} of the test set rightly"
    alone = f"; alone, none gets past {percent(max(last.alone))}" if last.alone else ""
    return f"{together}{alone}. {what}"


def key_figures(report: Report) -> tuple[tuple[str, str], ...]:
    """(name, figure) of what one looks for first."""
    closed = [r for r in report.rounds if r.outcome in (Outcome.ACCEPTED, Outcome.CONVERGED)]
    figures = [("rounds accepted", f"{len(closed)} of {len(report.rounds)}")]
    if last := next((r.accuracy for r in reversed(report.rounds) if r.accuracy), None):
        figures = [("global model", percent(last.global_)), *figures]
        if last.alone:
            figures.insert(1, ("median device alone", percent(median(last.alone))))
    if task := report.task:
        figures += [
            ("key", f"{task.key_bits} bits, {task.threshold} of {task.holders}"),
            ("an update", f"{size(task.update_bytes)}, {task.expansion:.1f}×"),
        ]
    workers = report.peak_memory.workers_mib
    figures += [
        ("gas", f"{sum(g.total for g in report.gas) / 1e6:.1f} M"),
        ("peak memory", f"{report.peak_memory.main_mib + sum(workers):,.0f} MiB"),
        ("time", seconds(report.total_seconds)),
    ]
    return tuple(figures)


def accuracy_table(report: Report) -> Table:
    """Global against each device alone, per round: the claim of BlockDeepNet's figure 3."""
    measured = [(r.round, r.accuracy) for r in report.rounds if r.accuracy]
    devices = max((len(a.alone) for _, a in measured), default=0)
    each = range(devices) if devices <= MAX_COLUMNS else range(0)
    spread: dict[str, Callable[[Sequence[float]], float]] = {}
    if devices:
        spread = {"median": median} if each else {"lowest": min, "median": median, "highest": max}
    return Table(
        "Accuracy per round, %",
        ("round", "global", *spread, *map(str, each)),
        tuple(
            (
                str(number),
                f"{100 * a.global_:.1f}",
                *(f"{100 * of(a.alone):.1f}" for of in spread.values()),
                *(f"{100 * a.alone[k]:.1f}" for k in each),
            )
            for number, a in measured
        ),
        "Global: the model that all learnt together. The others: the devices' models, had each learnt alone."
        if devices
        else "",
    )


def seconds_table(report: Report) -> Table:
    """Wall seconds per phase, per round: BlockDeepNet's figure 4a."""
    phases = phase_names(report.rounds)
    rows = [
        (str(r.round), *(f"{r.seconds[phase]:.2f}" if phase in r.seconds else "—" for phase in phases), f"{r.wall:.2f}")
        for r in report.rounds
    ]
    totals = [sum(r.seconds.get(phase, 0) for r in report.rounds) for phase in phases]
    return Table(
        "Seconds per phase",
        ("round", *phases, "wall"),
        (*rows, ("all", *(f"{total:.2f}" for total in totals), f"{sum(r.wall for r in report.rounds):.2f}")),
    )


def phase_names(rounds: Sequence[RoundReport]) -> tuple[str, ...]:
    """The rounds' phases, in the order in which they first came."""
    return tuple(dict.fromkeys(phase for r in rounds for phase in r.seconds))


def parts_table(report: Report) -> Table:
    """Where the run's seconds went."""
    rows = [(part, f"{value:.2f}") for part, value in report.seconds.items()]
    return Table("Seconds of the run", ("part", "wall"), (*rows, ("all", f"{report.total_seconds:.2f}")))


def work_table(report: Report) -> Table:
    """Core seconds, over all processes."""
    rows = [(phase, f"{value:.2f}") for phase, value in report.work.items()]
    return Table(
        "Core seconds of work", ("phase", "core seconds"), (*rows, ("all", f"{sum(report.work.values()):.2f}"))
    )


def gas_table(report: Report) -> Table:
    """Gas per kind of transaction, dearest in total first."""
    rows = sorted(report.gas, key=lambda gas: -gas.total)
    return Table(
        "Gas per kind of transaction",
        ("transaction", "calls", "min", "median", "max", "total"),
        tuple((g.function, *(f"{n:,}" for n in (g.calls, g.min, g.median, g.max, g.total))) for g in rows),
    )


def bytes_table(report: Report) -> Table:
    """Traffic per device; neighbours that sent and received the same share a row."""
    rows = []
    for (sent, received), group in groupby(report.bytes, key=lambda t: (t.sent, t.received)):
        indices = [t.device for t in group]
        named = str(indices[0]) if len(indices) == 1 else f"{indices[0]} to {indices[-1]}"
        rows.append((named, size(sent), size(received)))
    return Table("Bytes per device", ("device", "sent", "received"), tuple(rows))


def memory_table(report: Report) -> Table:
    """Peak resident memory per process."""
    peak = report.peak_memory
    workers = [(f"worker {i}", f"{mib:,.0f}") for i, mib in enumerate(peak.workers_mib)]
    return Table("Peak memory, MiB", ("process", "resident"), (("main", f"{peak.main_mib:,.0f}"), *workers))


def tables(report: Report) -> tuple[Table, ...]:
    """All tables that have something to say."""
    made = (
        accuracy_table(report),
        seconds_table(report),
        parts_table(report),
        work_table(report),
        gas_table(report),
        bytes_table(report),
        memory_table(report),
    )
    return tuple(table for table in made if table.rows and table.rows != (("all", "0.00"),))


def facts(report: Report) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """(title, (name, value) …) of what the run was given."""
    machine = report.machine
    groups = [
        ("Settings", tuple((name, said(value)) for name, value in report.settings.items())),
        (
            "Machine",
            (
                ("processor", f"{machine.cpu}, {plural(machine.cores, 'core')}"),
                ("memory", f"{machine.memory_mib:,} MiB"),
                ("system", f"{machine.system}, Python {machine.python}"),
                *machine.packages.items(),
            ),
        ),
    ]
    if task := report.task:
        groups.insert(0, ("Task", _task_facts(task)))
    models = []
    if best := report.best:
        models += [("least loss", f"{best.loss:.4f}, round {best.round}, {best.digest}")]
    if final := report.final:
        models += [("final", final.path), ("CID", final.cid), ("digest", final.digest)]
    if models:
        groups.insert(0, ("Models", tuple(models)))
    return tuple(groups)


def _task_facts(task: Task) -> tuple[tuple[str, str], ...]:
    return (
        ("id", task.id),
        ("digest of the terms", task.terms_digest),
        ("model", f"{task.model}, {plural(task.parameters, 'parameter')}"),
        ("strategy", listed(f"{name} {said(value)}" for name, value in task.strategy.items())),
        ("update", f"{task.values:,} values in {task.ciphertexts:,} ciphertexts of {task.slots} slots"),
        ("its size", f"{size(task.update_bytes)}, {task.expansion:.2f} times the same values as float32"),
        ("key", f"{task.key_bits} bits, any {task.threshold} of {task.holders} holders open a sum"),
        ("cohort", f"{plural(task.devices, 'device')}, {plural(task.edges, 'edge')}"),
        ("panel", f"{plural(task.seats, 'seat')}, drawn from {plural(task.verifiers, 'verifier')}"),
        ("chain id", str(task.chain_id)),
        *task.contracts.items(),
    )


def said(value: Value) -> str:
    """A setting's value as one reads it."""
    if value is None:
        return "—"
    return str(value).lower() if isinstance(value, bool) else str(value)


def round_tree(r: RoundReport) -> Node:
    """A round, from who sent to who was paid."""
    branches = (
        _learnt(r),
        _sent(r),
        _attested(r),
        _included(r),
        _candidates(r),
        _shares(r),
        _openings(r),
        _votes(r),
        _paid(r),
        _slashed(r),
        _chained(r),
    )
    return Node(round_title(r), tuple(branch for branch in branches if branch), outcome_tone(r.outcome))


def outcome_tone(outcome: Outcome) -> Tone:
    """Good where the model moved, bad where it did not."""
    if outcome is Outcome.OPEN:
        return "plain"
    return "good" if outcome in (Outcome.ACCEPTED, Outcome.CONVERGED) else "bad"


def round_title(r: RoundReport) -> str:
    """One line for a round."""
    parts = [f"round {r.round} {r.outcome}", f"{len(r.included)} of {len(r.devices)} devices", seconds(r.wall)]
    if r.kind is Kind.GRADIENT:
        parts.insert(1, "gradient")
    if r.accuracy:
        parts.append(f"global {percent(r.accuracy.global_)}")
    return " · ".join(parts)


def _learnt(r: RoundReport) -> Node | None:
    parts = []
    if r.accuracy:
        parts.append(f"global {percent(r.accuracy.global_)}")
        if alone := r.accuracy.alone:
            parts.append(f"alone {percent(min(alone))} to {percent(max(alone))}")
    if r.base_loss is not None:
        parts.append(f"loss before the round {r.base_loss:.3f}")
    return Node(f"learnt: {', '.join(parts)}") if parts else None


def _sent(r: RoundReport) -> Node:
    sent = [d for d in r.devices if d.status != "missing"]
    total = sum(d.bytes for d in sent)
    clipped = sum(d.clipped for d in sent)
    text = f"sent: {len(sent)} of {plural(len(r.devices), 'device')}, {size(total)}"
    if clipped:
        text += f", {plural(clipped, 'value')} clipped"
    return Node(
        text,
        tuple(
            Node(
                f"{d.name} {d.status}: {d.reason or f'weight {d.weight:,}, {size(d.bytes)}'}"
                + (f", trained {seconds(d.compute_seconds)}" if d.compute_seconds else "")
                + (f", {d.clipped:,} clipped" if d.clipped else ""),
                tone="good" if d.status == "included" else "plain" if d.status == "committed" else "bad",
            )
            for d in r.devices
        ),
    )


def _attested(r: RoundReport) -> Node | None:
    if not r.attestations:
        return None
    names = {d.index: d.name for d in r.devices}
    refusals = sum(len(a.refused) for a in r.attestations)
    text = f"attested: {plural(len(r.attestations), 'holder')}"
    if refusals:
        text += f", {plural(refusals, 'refusal')}"
    return Node(
        text,
        tuple(
            Node(
                f"{a.name}: {plural(len(a.valid), 'valid update')}",
                tuple(Node(f"refused {names.get(f.device, f.device)}: {f.reason}", tone="bad") for f in a.refused),
                "mixed" if a.refused else "plain",
            )
            for a in r.attestations
        ),
        "mixed" if refusals else "plain",
    )


def _included(r: RoundReport) -> Node | None:
    if not r.included:
        return None
    without = [f"{d.name} ({d.status})" for d in r.devices if d.status != "included"]
    text = f"included: {len(r.included)}, total weight {r.total_weight:,}, block {size(r.block_bytes)}"
    return Node(text + (f", without {listed(without)}" if without else ""), tone="plain")


def _candidates(r: RoundReport) -> Node | None:
    if not r.candidates:
        return None
    nodes = tuple(
        Node(
            f"candidate {c.slot} by {c.edge}: {c.status}" + (f", {short(c.cid)}" if c.cid else ""),
            tone=_verdict_tone(c.status),
        )
        for c in r.candidates
    )
    return Node(f"sum: {listed(f'{c.edge} {c.status}' for c in r.candidates)}", nodes, _together(nodes))


def _shares(r: RoundReport) -> Node | None:
    if not r.shares and not r.holders_silent:
        return None
    used = sum(s.used for s in r.shares)
    text = f"shares: {len(r.shares)}" + (f", {used} used" if used else "")
    if r.holders_silent:
        text += f", silent: {listed(r.holders_silent)}"
    children = (
        *(Node(f"{s.name}: {'used' if s.used else 'not needed'}") for s in r.shares),
        *(Node(f"{name}: silent", tone="bad") for name in r.holders_silent),
    )
    return Node(text, children, "mixed" if r.holders_silent else "plain")


def _openings(r: RoundReport) -> Node | None:
    if not r.openings:
        return None
    nodes = tuple(
        Node(
            f"opening {o.index} by {o.poster}: {o.status}, {short(o.cid)}, {plural(len(o.used), 'share')}",
            tone=_verdict_tone(o.status),
        )
        for o in r.openings
    )
    return Node(f"opened: {listed(f'{o.poster} {o.status}' for o in r.openings)}", nodes, _together(nodes))


def _votes(r: RoundReport) -> Node | None:
    if not r.votes:
        return None
    silent = [v.voter for v in r.votes if v.status == "silent"]
    panels = Counter(v.attempt for v in r.votes)
    text = f"voted: {len(r.votes) - len(silent)} of {plural(len(r.votes), 'seat')}"
    if len(panels) > 1:
        text += f" in {len(panels)} panels of {', '.join(str(panels[a]) for a in sorted(panels))}"
    if silent:
        text += f", silent: {listed(silent)}"
    return Node(
        text,
        tuple(
            Node(f"seat {v.seat}, {v.voter}: {_ballot(v.valid, v.invalid, v.right, v.wrong)}")
            if v.status == "revealed"
            else Node(f"seat {v.seat}, {v.voter}: silent", tone="bad")
            for v in r.votes
        ),
        "mixed" if silent else "plain",
    )


def _ballot(valid: tuple[int, ...], invalid: tuple[int, ...], right: tuple[int, ...], wrong: tuple[int, ...]) -> str:
    named = (
        ("candidate", valid, "valid"),
        ("candidate", invalid, "invalid"),
        ("opening", right, "right"),
        ("opening", wrong, "wrong"),
    )
    return listed(f"{what} {', '.join(map(str, these))} {verdict}" for what, these, verdict in named if these)


def _paid(r: RoundReport) -> Node | None:
    if not r.payments:
        return None
    roles = dict.fromkeys(p.role for p in r.payments)
    groups = tuple(_paid_role(role, [p for p in r.payments if p.role == role]) for role in roles)
    return Node(f"paid: {ether(sum(p.wei for p in r.payments))} in {plural(len(r.payments), 'payment')}", groups)


def _paid_role(role: str, payments: Sequence[Payment]) -> Node:
    return Node(
        f"{role}: {ether(sum(p.wei for p in payments))}",
        tuple(Node(f"{p.to}: {ether(p.wei)} for {p.reason}") for p in payments),
    )


def _slashed(r: RoundReport) -> Node | None:
    if not r.slashed:
        return None
    return Node(f"lost: {listed(f'{s.name} {ether(s.wei)}' for s in r.slashed)}", tone="bad")


def _chained(r: RoundReport) -> Node | None:
    if not r.header:
        return None
    text = f"header {short(r.header)}, parent {short(r.parent)}"
    details = [Node(f"header {r.header}"), Node(f"parent {r.parent}"), Node(f"largest leverage {r.leverage:.3f}")]
    if r.model:
        text += f", model {short(r.model.cid)}"
        details.append(Node(f"model {r.model.cid}, {size(r.model.bytes)}"))
    return Node(text, tuple(details))


def _verdict_tone(status: str) -> Tone:
    if status in ("valid", "right"):
        return "good"
    return "bad" if status in ("invalid", "wrong", "unopened", "struck out") else "plain"


def _together(nodes: Sequence[Node]) -> Tone:
    tones = {node.tone for node in nodes}
    return "mixed" if tones >= {"good", "bad"} else "bad" if "bad" in tones else "good" if "good" in tones else "plain"
