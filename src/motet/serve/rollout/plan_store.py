"""PlanStore: the plan of a service on disk, which all its processes follow and which outlives them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from motet.artifact.sealed import seal, unseal
from motet.errors import ArtifactError
from motet.serve.problem import Problem
from motet.serve.rollout.plan import NOTHING, Plan
from motet.whole_file import sync_folder


class PlanStore:
    """Plans in a folder, one file per generation; the newest is in force.

    A file appears complete, under a name that nothing else has taken. If two processes change the same plan, one of
    them is refused, and a reader never sees half a file.

    Args:
        folder: Created when the first plan is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def generation(self) -> int:
        """The generation in force, without reading its plan.

        Returns:
            Its number; 0 if no plan is stored.
        """
        return max(self._stored(), default=0)

    def newest(self) -> Plan:
        """The plan in force.

        Returns:
            The plan; an empty one if none is stored.

        Raises:
            ArtifactError: If its file is damaged, of another version of motet, or cannot be read.
        """
        while generation := self.generation():
            file = self._file(generation)
            try:
                return Plan.from_document(unseal(file.read_bytes()))
            except FileNotFoundError:
                continue  # replaced by a newer one in the meantime
            except OSError as error:
                raise ArtifactError(f"{str(file)!r} cannot be read: {error.strerror}; check who may read it") from error
            except (ValueError, LookupError, TypeError):
                raise ArtifactError(
                    f"{str(file)!r} is damaged, or was written by another version of motet; delete it, and name the "
                    "models to serve"
                ) from None
        return NOTHING

    def keep(self, plan: Plan) -> None:
        """Put a plan in force. It is on disk when this returns.

        Args:
            plan: The generation after the one in force.

        Raises:
            Problem: If another plan was put in force in the meantime, or the folder cannot be written to.
        """
        try:
            written = self._write(plan)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Problem(
                503,
                f"the change cannot be stored in {str(self.folder)!r}: {reason}; nothing was changed",
                code="no_room",
            ) from None
        if not written:
            raise Problem(
                409,
                "another request changed what is served at the same time; check /v1/model, and try again",
                code="conflict",
            )
        for generation in self._stored():
            if generation < plan.generation:
                self._file(generation).unlink(missing_ok=True)

    def _write(self, plan: Plan) -> bool:
        """Returns false if another process has stored this generation, or one after it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = self._file(plan.generation)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".") as file:
            file.write(seal(plan.document()))
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(file.name, own)
            except FileExistsError:
                return False
        if self.generation() > plan.generation:  # the name was free because a newer generation had removed its file
            own.unlink(missing_ok=True)
            return False
        sync_folder(self.folder)
        return True

    def _stored(self) -> Iterator[int]:
        """The generations whose files are there."""
        for file in self.folder.glob("*.json"):
            if file.stem.isdecimal() and file == self._file(int(file.stem)):
                yield int(file.stem)

    def _file(self, generation: int) -> Path:
        return self.folder / f"{generation:08}.json"
