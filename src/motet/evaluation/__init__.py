"""Metrics on held-out rows, with their protocol, beside those of simple rules."""

from __future__ import annotations

from motet.evaluation.judge import evaluate
from motet.evaluation.report import Report

__all__ = ["Report", "evaluate"]
