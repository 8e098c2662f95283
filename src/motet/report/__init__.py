"""The report: what was trained on what, how good it is and what it recommends, as one page without a network."""

from motet.report.record import Record
from motet.report.runs import Runs, read_runs
from motet.report.write import write_report

__all__ = ["Record", "Runs", "read_runs", "write_report"]
