"""Charts: Vega-Lite, written with altair; colours are names that the page or the file fills in."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from motet.errors import ConfigError
from motet.metrics.direction import lower_is_better
from motet.report.formatting import spoken
from motet.report.palette import CONFIG, GREY, OWN, QUIET, SERIES

PACKAGES = ("altair", "jinja2", "vl_convert")  # of the extra `report`
STEP, HEIGHT = 28, 240  # pixels: of one row of intervals, and of every other chart
LABELS = 140  # pixels: the widest label, so that the chart has room on a phone
LETTERS = 18  # that fit a label; of longer names the middle is left out, as many differ in their ends alone
WIDE = 36  # letters beyond which a row of a legend is cut off; each name gets a row of its own then
# A pair of long names in a legend takes two lines.
PAIR = "length(datum.label) > 36 ? split(replace(datum.label, ' and ', ' and\\n'), '\\n') : datum.label"
TICKS = 8  # epochs with a label
DASHES = ([1, 0], [6, 3], [2, 2])  # of lines: the next one when all colours are taken
Row = Mapping[str, Any]


def installed() -> bool:
    """Whether there are the packages of the extra `report`.

    Returns:
        False if a report cannot be drawn.
    """
    return all(find_spec(name) is not None for name in PACKAGES)


def package(name: str) -> ModuleType:
    """Import a package of the extra `report`.

    Args:
        name: Name of the module.

    Returns:
        The module.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"a report needs the package {name}, which is not installed; install it: pip install 'motet[report]'"
        ) from error


def intervals(rows: Sequence[Row], key: str, rules: Sequence[Row] = ()) -> dict[str, Any]:
    """One row for each system or slice: a dot with its interval.

    Args:
        rows: Each with `name`, `value`, `low`, `high`, `own` (whether it is about the model itself) and `faint`
            (whether it was measured on too few users); further fields appear in the tooltip.
        key: Key of the metric.
        rules: Simple rules, each with the `name` of its row, `rule` and `value`; drawn as ticks.

    Returns:
        The chart.
    """
    alt = package("altair")
    names = [row["name"] for row in rows]
    half = LETTERS // 2
    label = f"slice(datum.label, 0, {half}) + '…' + slice(datum.label, 1 - {half})"
    axis = alt.Axis(
        labelExpr=f"length(datum.label) > {LETTERS} ? {label} : datum.label",
        **{"labelLimit": LABELS, "grid": False, "ticks": False, "labelPadding": 8},
    )
    y = alt.Y("name:N", sort=names, title=None, axis=axis)
    colour = alt.Color("own:N", legend=None, scale=alt.Scale(domain=[True, False], range=[OWN, "var(--quiet)"]))
    strength = alt.condition("datum.faint", alt.value(0.3), alt.value(1))
    base = alt.Chart(_data(alt, rows)).encode(y=y, color=colour, opacity=strength, tooltip=_hover(alt, rows))
    scale = alt.Scale(zero=False, nice=False, padding=10)
    reach = alt.X("low:Q", title=better(key), scale=scale, axis=alt.Axis(tickCount=5))
    lines = base.mark_rule(strokeWidth=2).encode(x=reach, x2=alt.X2("high:Q"))
    dots = base.mark_point(filled=True, size=80).encode(x="value:Q")
    beside = alt.Chart(_data(alt, rules)).encode(y=y, x="value:Q", tooltip=_hover(alt, rules))
    ticks = [beside.mark_tick(color=QUIET, thickness=2, size=16)] if rules else []
    return _spec(alt.layer(lines, *ticks, dots), height=STEP * len(rows))


def curves(rows: Sequence[Row], title: str, *, domain: Sequence[float] | None = None) -> dict[str, Any]:
    """A line for each series over the epochs, with a band over the seeds if there are several.

    Args:
        rows: Each with `epoch`, `series`, `value`, and the `low` and `high` of the seeds.
        title: Title of the vertical axis.
        domain: Ends of the vertical axis; fitted to the data if not given.

    Returns:
        The chart.
    """
    alt = package("altair")
    series = list(dict.fromkeys(row["series"] for row in rows))
    wide = max(map(len, series), default=0) * min(len(series), 3) > WIDE
    stacked = {"columns": 1, "labelLimit": 2 * LABELS, "labelExpr": PAIR, "rowPadding": 4} if wide else {}
    legend = alt.Legend(symbolType="stroke", symbolSize=250, **stacked) if len(series) > 1 else None
    looks = [divmod(place, len(SERIES)) for place in range(len(series))]
    scale = alt.Scale(domain=series, range=[SERIES[colour] for _, colour in looks])
    dashes = alt.Scale(domain=series, range=[DASHES[turn % len(DASHES)] for turn, _ in looks])
    y = alt.Y(
        "value:Q",
        title=title,
        scale=alt.Scale(zero=False) if domain is None else alt.Scale(domain=list(domain)),
        axis=alt.Axis(tickCount=5),
    )
    epochs = sorted({row["epoch"] for row in rows})
    ticks = epochs[:: -(-len(epochs) // TICKS)]  # whole numbers: left alone, Vega also labels half epochs
    x = alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=ticks, format="d", grid=False))
    base = alt.Chart(_data(alt, rows)).encode(x=x, color=alt.Color("series:N", scale=scale, legend=legend))
    dash = alt.StrokeDash("series:N", scale=dashes, legend=legend)
    hover = _hover(alt, [{name: row[name] for name in ("series", "epoch", "value")} for row in rows])
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=25)).encode(y=y, tooltip=hover, strokeDash=dash)
    if all(row["low"] == row["high"] for row in rows):
        return _spec(line)
    return _spec(base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title=title), y2="high:Q") + line)


def trade_off(rows: Sequence[Row], keys: tuple[str, str], rules: Sequence[Row] = ()) -> dict[str, Any]:
    """Trials by two objectives: those on the Pareto front in colour, dominated ones grey.

    Args:
        rows: Each with `x`, `y`, `front`, `joined` (whether it is on the front of these two objectives, which a line
            joins), and fields for the tooltip.
        keys: Keys of the two metrics.
        rules: Simple rules, each with its name, `rule`, and `x`, `y` or both; drawn as lines across the chart.

    Returns:
        The chart.
    """
    alt = package("altair")
    x, y = (
        kind(
            f"{field}:Q",
            title=[spoken(key), better(key)],
            scale=alt.Scale(zero=False, padding=12),
            axis=alt.Axis(tickCount=5),
        )
        for kind, field, key in ((alt.X, "x", keys[0]), (alt.Y, "y", keys[1]))
    )
    hover = _hover(
        alt, [{name: value for name, value in row.items() if name not in ("x", "y", "joined")} for row in rows]
    )
    scale = alt.Scale(domain=["on the front", "dominated"], range=[OWN, GREY])
    base = alt.Chart(_data(alt, rows)).encode(x=x, y=y)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=alt.Color("front:N", scale=scale, legend=alt.Legend()), tooltip=hover
    )
    joined = base.transform_filter("datum.joined").mark_line(color=OWN, strokeWidth=1.5, strokeDash=[4, 3], order=True)
    ends = [row["x"] for row in [*rows, *rules] if "x" in row]
    near = any(rule["x"] < (min(ends) + max(ends)) / 2 for rule in rules if "x" in rule)
    lines = [*_across(alt, rules, "x", x), *_across(alt, rules, "y", y, far=near)]
    return _spec(alt.layer(*lines, joined, points), height=320)


def _across(alt: ModuleType, rules: Sequence[Row], field: str, axis: Any, *, far: bool = False) -> Iterator[Any]:
    """A line for what each rule reaches in one metric, with its name at the edge, or the far one, where lines cross."""
    rows = [{"rule": row["rule"], field: row[field]} for row in rules if field in row]
    if not rows:
        return
    base = alt.Chart(_data(alt, rows)).encode(**{field: axis})
    yield base.mark_rule(color=QUIET, strokeDash=[1, 3], strokeWidth=1.5).encode(tooltip=_hover(alt, rows))
    edge = {"y" if field == "x" else "x": alt.value("width" if far else 4)}
    turned = {"angle": 90} if field == "x" else {}
    align = "right" if far else "left"
    yield base.mark_text(align=align, dy=-6, color=QUIET, fontSize=11, **turned).encode(text="rule:N", **edge)


def reliability(rows: Sequence[Row]) -> dict[str, Any]:
    """Observed frequency by predicted probability; a calibrated model lies on the diagonal.

    Args:
        rows: One for each bin, with `predicted`, `observed`, `rows`, and the ends of the bin.

    Returns:
        The chart.
    """
    alt = package("altair")
    ends = [math.floor(10 * min(min(row["predicted"], row["observed"]) for row in rows)) / 10]
    ends.append(math.ceil(10 * max(max(row["predicted"], row["observed"]) for row in rows)) / 10)
    scale = alt.Scale(domain=ends)
    x = alt.X("predicted:Q", title="predicted probability", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("observed:Q", title="observed frequency", scale=scale, axis=alt.Axis(tickCount=5))
    ideal = alt.Chart(_data(alt, [{"predicted": end, "observed": end} for end in ends]))
    diagonal = ideal.mark_line(color=GREY, strokeDash=[4, 3]).encode(x=x, y=y)
    found = alt.Chart(_data(alt, rows)).mark_line(color=OWN, point=alt.OverlayMarkDef(size=50, color=OWN))
    return _spec(diagonal + found.encode(x=x, y=y, tooltip=_hover(alt, rows)))


def _spec(chart: Any, *, height: int = HEIGHT) -> dict[str, Any]:
    found: dict[str, Any] = chart.properties(width="container", height=height).configure(**CONFIG).to_dict()
    return found


def _data(alt: ModuleType, rows: Sequence[Row]) -> Any:
    """Rows with null for NaN, which JSON does not have."""
    finite = [{name: None if _unknown(value) else value for name, value in row.items()} for row in rows]
    return alt.Data(values=finite)


def _unknown(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _hover(alt: ModuleType, rows: Sequence[Row]) -> list[Any]:
    """Every field of the rows, numbers with four digits."""
    found = []
    for name in dict.fromkeys(name for row in rows for name in row):
        if name in ("own", "faint"):
            continue
        values = [row[name] for row in rows if row.get(name) is not None]
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        given = {"type": "quantitative", "format": ",.4~r"} if numbers else {"type": "nominal"}
        found.append(alt.Tooltip(field=_escaped(name), title=name, **given))
    return found


def _escaped(name: str) -> str:
    """A field may be called `weights.rating`, which Vega-Lite would look for inside a field `weights`."""
    return name.replace("\\", "\\\\").replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")


def better(key: str) -> str:
    """Whether lower or higher values of a metric are better.

    Args:
        key: Key of the metric.

    Returns:
        Title of an axis.
    """
    return f"{'lower' if lower_is_better(key) else 'higher'} is better"
