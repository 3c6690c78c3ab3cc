"""The plots of a report. Colours: Okabe and Ito (2008), told apart by every kind of sight; greys that read on light and
dark ground alike."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from dapp.report.schema import RoundReport
from dapp.report.summary import phase_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Format = Literal["png", "svg"]
Plot = Callable[..., bytes]

INK = "#767676"
"""Contrast 4.5 against white, 4.2 against #111."""
BLUE, ORANGE, GREY = "#1f83c9", "#e69f00", "#999999"
PHASES = (ORANGE, "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")

_STYLE: Any = {
    "font.size": 12,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 11,
}


def accuracy(rounds: tuple[RoundReport, ...], format: Format = "png") -> bytes:
    """The global model's accuracy against each device's alone, per round: the claim of BlockDeepNet's figure 3."""
    measured = [(r.round, r.accuracy) for r in rounds if r.accuracy]
    numbers = [number for number, _ in measured]
    alone = list(zip(*(a.alone for _, a in measured), strict=True))

    def draw(axes: Axes) -> None:
        for k, shares in enumerate(alone):
            label = "each device alone" if k == 0 else None
            axes.plot(numbers, [100 * s for s in shares], "o-", color=ORANGE, lw=1, ms=2.5, alpha=0.8, label=label)
        together = [100 * a.global_ for _, a in measured]
        axes.plot(numbers, together, "s-", color=BLUE, lw=2.5, ms=5, label="global, encrypted")
        if together:
            last: Any = {
                "textcoords": "offset points",
                "xytext": (0, 7),
                "ha": "center",
                "color": BLUE,
                "weight": "bold",
            }
            axes.annotate(f"{together[-1]:.1f}", (numbers[-1], together[-1]), **last)
            axes.margins(y=0.12)
        axes.set_ylabel("accuracy, %")
        axes.set_xlabel("round")
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, 1.17), ncols=2, handlelength=1.4, columnspacing=1.2)

    return _figure(draw, f"accuracy{format}", format)


def seconds(rounds: tuple[RoundReport, ...], format: Format = "png") -> bytes:
    """Wall seconds per phase, stacked per round: BlockDeepNet's figure 4a, taken apart."""
    named = phase_names(rounds)
    dearest = sorted(named, key=lambda phase: -sum(r.seconds.get(phase, 0) for r in rounds))
    own = [phase for phase in named if phase in dearest[: len(PHASES)]]
    rest = [phase for phase in named if phase not in own]
    numbers = [r.round for r in rounds]

    def draw(axes: Axes) -> None:
        stacked = [0.0] * len(rounds)
        heights = [(phase, [r.seconds.get(phase, 0.0) for r in rounds]) for phase in own]
        if rest:
            label = rest[0] if len(rest) == 1 else "other"
            heights.append((label, [sum(r.seconds.get(phase, 0.0) for phase in rest) for r in rounds]))
        for colour, (phase, height) in zip((*PHASES[: len(own)], GREY), heights, strict=False):
            axes.bar(numbers, height, 0.7, bottom=stacked, color=colour, label=phase)
            stacked = [low + high for low, high in zip(stacked, height, strict=True)]
        axes.set_ylabel("wall seconds")
        axes.set_xlabel("round")
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, 1.25), ncols=4, handlelength=0.8, columnspacing=1)

    return _figure(draw, f"seconds{format}", format)


def _figure(draw: Callable[[Axes], None], salt: str, format: Format) -> bytes:
    """The salt keeps the inner names of two drawings on one page apart, and the same in every run."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=(5, 3.6))
        axes = figure.add_axes((0.15, 0.15, 0.83, 0.69))
        draw(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        content = BytesIO()
        metadata = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(content, format=format, dpi=180, transparent=True, metadata=metadata)
    return content.getvalue()
