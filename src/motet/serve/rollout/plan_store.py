"""PlanStore: the plan of a service on disk, which all its processes follow and which outlives them."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from motet.artifact.folder import sync_folder
from motet.artifact.sealed import seal, unseal
from motet.errors import ArtifactError
from motet.serve.problem import Problem
from motet.serve.rollout.plan import NOTHING, Plan


class PlanStore:
    """Plans in a folder, one file a generation, of which the latest is in force.

    A file comes into being whole, under a name that nobody else has taken: of two processes that change the same plan
    one is refused, and a reader never sees half of one.

    Args:
        folder: Made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def generation(self) -> int:
        """The generation in force, without reading it.

        Returns:
            Its number; 0 where nothing was kept yet.
        """
        return max((int(file.stem) for file in self.folder.glob("*.json") if file.stem.isdecimal()), default=0)

    def newest(self) -> Plan:
        """The plan in force.

        Returns:
            The plan; an empty one where nothing was kept yet.

        Raises:
            ArtifactError: If its file was changed.
        """
        while generation := self.generation():
            file = self._file(generation)
            with suppress(FileNotFoundError):  # a newer one came, and this one was removed
                try:
                    return Plan.from_document(unseal(file.read_bytes()))
                except ValueError:
                    raise ArtifactError(f"{str(file)!r} is damaged; delete it, and name the models to serve") from None
        return NOTHING

    def keep(self, plan: Plan) -> None:
        """Put a plan in force, on the disk itself.

        Args:
            plan: The next generation of the one in force.

        Raises:
            Problem: If somebody else has put another in force meanwhile, or the folder cannot be written to.
        """
        try:
            taken = not self._write(plan)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Problem(503, f"the change cannot be stored: {reason}; nothing was changed", code="no_room") from None
        if taken:
            raise Problem(
                409,
                "another request changed what is served at the same time; check /v1/model, and try again",
                code="conflict",
            )
        for file in self.folder.glob("*.json"):
            if file.stem.isdecimal() and int(file.stem) < plan.generation:
                file.unlink(missing_ok=True)

    def _write(self, plan: Plan) -> bool:
        """Whether the file of this generation is ours."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".") as file:
            file.write(seal(plan.document()))
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(file.name, self._file(plan.generation))
            except FileExistsError:
                return False
        sync_folder(self.folder)
        return True

    def _file(self, generation: int) -> Path:
        return self.folder / f"{generation:08}.json"
