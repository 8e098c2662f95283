"""The project file: one TOML file that declares data, split, model and training, in the vocabulary of Python."""

from motet.project.check import Findings, check
from motet.project.project import Project, Trained
from motet.project.rows import Divided

__all__ = ["Divided", "Findings", "Project", "Trained", "check"]
