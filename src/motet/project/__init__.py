"""The project file: one TOML file that declares data, split, model and training, in the vocabulary of Python."""

from motet.project.check import Findings, check
from motet.project.project import Divided, Project, Trained

__all__ = ["Divided", "Findings", "Project", "Trained", "check"]
