"""Export: a trained model as one artifact to check, sign and deploy."""

from motet.export.artifact import export
from motet.export.programs import Programs, programs
from motet.export.verification import verify

__all__ = ["Programs", "export", "programs", "verify"]
