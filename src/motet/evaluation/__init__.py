"""Figures on held-out rows, each under its protocol and beside what a simple rule reaches."""

from __future__ import annotations

from motet.evaluation.judge import evaluate
from motet.evaluation.report import Report

__all__ = ["Report", "evaluate"]
