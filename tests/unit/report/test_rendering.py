"""The page, the plots and the terminal show the report, all of it, and only it."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from dapp.report import html, plots, summary
from dapp.report.files import rendered
from dapp.report.progress import Doing, Finished, Idle, Phase, RoundDone, Step
from dapp.report.schema import Fault, Kind, Outcome, Report, Traffic
from dapp.report.summary import Table
from dapp.report.terminal import Terminal, _blocks, show, show_tree

from .sample import interrupted, sample_report

REPORT = sample_report()
PAGE = html.page(REPORT)
VOID = {"meta", "br", "hr", "img", "link", "input", "path", "use", "rect", "line"}


class Elements(HTMLParser):
    """Collects elements and attributes, and checks that what opens is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    assert elements.open == []
    return elements


def drawn(report: Report, width: int = 80) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width), report)
    return out.getvalue()


# --- page


def test_the_page_closes_what_it_opens_and_has_no_script() -> None:
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in parsed(PAGE).seen}


def test_the_page_asks_nobody_for_anything() -> None:
    for tag, attributes in parsed(PAGE).seen:
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    assert "@import" not in PAGE
    assert set(re.findall(r"url\((.)", PAGE)) <= {"#"}


def test_no_two_elements_that_are_referred_to_share_a_name() -> None:
    elements = parsed(PAGE)
    names = [attributes["id"] for _, attributes in elements.seen if "id" in attributes]
    used = {a["xlink:href"][1:] for _, a in elements.seen if "xlink:href" in a} | set(
        re.findall(r"url\(#(\w+)\)", PAGE)
    )
    assert used
    assert all(names.count(name) == 1 for name in used)


def test_what_a_report_says_is_text_on_the_page_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    page = html.page(replace(REPORT, name=evil, faults=(Fault(0, "edge", evil, evil),), settings={evil: evil}))
    assert "script" not in {tag for tag, _ in parsed(page).seen}
    assert "".join(parsed(page).text).count(evil) >= 5


def test_the_page_tells_every_rounds_tree_without_scripts() -> None:
    text = "".join(parsed(PAGE).text)
    for fact in ("edge-0 invalid, edge-1 valid", "silent: verifier-4", "device-3 missing", "lost: edge-0 0.1"):
        assert fact in text.replace("\xa0", " ")
    assert sum(tag == "details" for tag, _ in parsed(PAGE).seen) > 5 * 5


def test_the_page_holds_every_table_fault_warning_and_setting() -> None:
    text = "".join(parsed(PAGE).text)
    for table in summary.tables(REPORT):
        assert table.title in text
        assert all(cell in text for row in table.rows for cell in row)
    assert all(fault.what in text for fault in REPORT.faults)
    assert all(warning in text for warning in REPORT.warnings)
    assert all(key in text for key in REPORT.settings)


@pytest.mark.parametrize(
    "report",
    [
        interrupted(REPORT),
        replace(REPORT, status="failed", message="the disk is full", task=None, rounds=(), best=None, final=None),
        replace(REPORT, rounds=tuple(replace(r, accuracy=None) for r in REPORT.rounds)),
    ],
    ids=["interrupted", "failed before the task", "accuracy not measured"],
)
def test_a_partial_report_has_a_page_and_tables_too(report: Report) -> None:
    parsed(html.page(report))
    assert report.message in drawn(report, 200)


def test_the_files_of_a_report_are_those_that_have_something_to_show() -> None:
    assert set(rendered(REPORT)) == {"report.json", "report.html", "accuracy.png", "seconds.png"}
    assert set(rendered(replace(REPORT, rounds=()))) == {"report.json", "report.html"}
    assert Report.from_json(rendered(REPORT)["report.json"].decode()) == REPORT


# --- plots


@pytest.mark.parametrize("plot", [plots.accuracy, plots.seconds])
def test_a_plot_is_a_png_and_the_same_every_time(plot: plots.Plot) -> None:
    content = plot(REPORT.rounds)
    assert content.startswith(b"\x89PNG")
    assert content == plot(REPORT.rounds)


def test_more_phases_than_colours_share_the_last_one() -> None:
    many = tuple(replace(r, seconds={f"phase {i}": float(i) for i in range(12)}) for r in REPORT.rounds)
    drawing = plots.seconds(many, "svg").decode()
    assert ">other<" in drawing
    assert ">phase 11<" in drawing
    assert ">phase 1<" not in drawing


# --- terminal


def played(console: Console, *, plain: bool = False) -> str:
    """What a short run leaves on the console."""
    with Terminal(console, plain=plain) as terminal:
        terminal.on(Step("making a 2048-bit key"))
        terminal.on(Phase(0, "commit"))
        terminal.on(Doing("device", "device-0", "training"))
        terminal.on(Idle("device-0"))
        terminal.on(Fault(0, "edge", "edge-0", "published a wrong sum"))
        terminal.on(RoundDone(REPORT.rounds[0]))
        terminal.on(Finished(REPORT))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_where_there_is_no_terminal_every_step_is_a_line_without_control_codes() -> None:
    lines = played(Console(file=io.StringIO(), width=60)).splitlines()
    assert [line[9:] for line in lines[:2]] == ["making a 2048-bit key", "round 0: commit"]
    assert lines[2] == "! round 0: edge-0 published a wrong sum"
    assert lines[3].startswith("✓ round 0 Accepted")
    assert not [line for line in lines if re.search(r"[\x00-\x1f\x7f]", line)]


def test_a_terminal_is_drawn_on_and_left_with_its_cursor() -> None:
    text = played(Console(file=io.StringIO(), force_terminal=True, width=100, _environ={}))
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_plain_is_plain_on_a_terminal_too() -> None:
    text = played(Console(file=io.StringIO(), force_terminal=True, no_color=True, width=100), plain=True)
    assert "\x1b[?25l" not in text


def test_no_color_is_honoured() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, _environ={"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[\d;]*3\dm", played(console))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_last_tables_keep_to_the_width(width: int) -> None:
    assert max(map(len, drawn(REPORT, width).splitlines())) <= width


@settings(deadline=None)
@given(
    st.integers(2, 12).flatmap(
        lambda columns: st.builds(
            lambda header, rows: Table("t", header, tuple(rows)),
            st.tuples(*[st.text("ab", min_size=1, max_size=9)] * columns),
            st.lists(st.tuples(*[st.text("0123456789", max_size=9)] * columns), min_size=1, max_size=4),
        )
    ),
    st.integers(19, 100),
)
def test_a_table_cut_to_a_width_loses_no_cell(table: Table, width: int) -> None:
    blocks = _blocks(table, width)
    assert all(len(line) <= width for block in blocks for line in block[1:])
    words = [line.split() for block in blocks for line in block[3:]]
    assert sorted(word for line in words for word in line) == sorted(
        [cell for row in table.rows for cell in row[1:] if cell]
        + [row[0] for row in table.rows if row[0]] * len(blocks)
    )


def test_a_round_is_inspected_down_to_every_payment() -> None:
    out = io.StringIO()
    show_tree(Console(file=out, width=120), REPORT)
    payments = [p for r in REPORT.rounds for p in r.payments]
    assert out.getvalue().count(" for data") == sum(p.reason == "data" for p in payments)


def test_what_several_say_is_drawn_once_and_listed_with_their_names() -> None:
    said = tuple(Fault(1, "holder", f"holder {k}", "refused device 8") for k in range(6))
    console = Console(file=io.StringIO(), width=90)
    with Terminal(console) as terminal:
        for fault in said:
            terminal.on(fault)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "! round 1: holder 0 refused device 8\n"
    names = "holder 0, holder 1, holder 2 and 3 more"
    assert summary.faults(replace(REPORT, faults=said)) == [("round 1: ", names, "refused device 8")]


# --- words


def test_a_round_stopped_half_way_is_neither_good_nor_bad() -> None:
    assert summary.round_tree(interrupted(REPORT).rounds[-1]).tone == "plain"


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in ("Open", "Accepted", "Converged")])
def test_a_round_that_moved_no_model_is_marked(outcome: Outcome) -> None:
    assert summary.round_tree(replace(REPORT.rounds[0], outcome=outcome)).tone == "bad"


def test_a_gradient_round_is_called_one() -> None:
    assert "gradient" in summary.round_title(replace(REPORT.rounds[0], kind=Kind.GRADIENT))
    assert "gradient" not in summary.round_title(REPORT.rounds[0])


def test_neighbours_with_the_same_traffic_share_a_row() -> None:
    traffic = (Traffic(0, 5, 6), Traffic(1, 5, 6), Traffic(2, 7, 6), Traffic(3, 5, 6))
    table = summary.bytes_table(replace(REPORT, bytes=traffic))
    assert [row[0] for row in table.rows] == ["0 to 1", "2", "3"]


def test_with_many_devices_the_accuracy_table_gives_their_spread() -> None:
    accuracy = REPORT.rounds[0].accuracy
    assert accuracy is not None
    many = replace(accuracy, alone=tuple(k / 100 for k in range(30, 61)))
    table = summary.accuracy_table(replace(REPORT, rounds=(replace(REPORT.rounds[0], accuracy=many),)))
    assert table.columns == ("round", "global", "lowest", "median", "highest")
    assert table.rows[0][2:] == ("30.0", "45.0", "60.0")


@pytest.mark.parametrize(
    ("wei", "said"),
    [
        (0, "0 wei"),
        (9_999, "9,999 wei"),
        (10**4, "0.00001 gwei"),
        (15 * 10**8, "1.5 gwei"),
        (10**13, "0.00001 ETH"),
        (10**18, "1 ETH"),
        (1234 * 10**18, "1,234 ETH"),
    ],
)
def test_wei_is_said_in_the_unit_that_fits(wei: int, said: str) -> None:
    assert summary.ether(wei).replace(summary.NBSP, " ") == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (5 * 2**20, "5.0 MiB"), (2**41, "2,048.0 GiB")],
)
def test_bytes_are_said_in_the_unit_that_fits(count: int, said: str) -> None:
    assert summary.size(count).replace(summary.NBSP, " ") == said
