"""The project file: one TOML file that declares data, split, model and training, in the vocabulary of Python."""

from motet.project.check import Findings, check
from motet.project.project import Project
from motet.project.rows import Divided
from motet.project.trained import Trained

__all__ = ["Divided", "Findings", "Project", "Trained", "check"]
