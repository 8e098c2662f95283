"""Registry: the saved models that a service may load, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from motet.artifact.folder import saved_in
from motet.errors import ConfigError, did_you_mean
from motet.serve.models.version import version_of

if TYPE_CHECKING:
    from motet.serve.models.served import ServedModel


class UnknownModelError(ConfigError):
    """No saved model has this name."""


class Registry:
    """Finds saved models by name. A name is looked up among the existing ones and never becomes part of a path.

    Args:
        named: Folders of saved models; the name of a model is that of its folder.
        folder: Holds folders of saved models, now or later.

    Raises:
        ConfigError: If `folder` is not a folder, or two models have the same name.
    """

    def __init__(self, named: Sequence[Path], folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"{str(folder)!r} is not a folder; give one that holds folders of saved models")
        self.folder = folder
        self._named: dict[str, Path] = {}
        for path in named:
            name = path.resolve().name
            if self._named.setdefault(name, path).resolve() != path.resolve():
                raise ConfigError(f"two models are called {name!r}; rename the folder of one")

    def models(self) -> dict[str, Path]:
        """The models that exist now.

        Returns:
            Folders by name.
        """
        found = [] if self.folder is None else saved_in(self.folder)
        return {path.name: path for path in found} | self._named

    def version(self, name: str) -> str:
        """The version of a model, without loading or checking it.

        Args:
            name: Name of the model.

        Returns:
            The version, as in `ServedModel.version`.

        Raises:
            UnknownModelError: If no model has this name.
            ArtifactError: If its folder holds no saved model.
        """
        return version_of(self._find(name))

    def load(self, name: str, version: str) -> ServedModel:
        """Load and check a model.

        Args:
            name: Name of the model.
            version: The version it must have.

        Returns:
            The model.

        Raises:
            UnknownModelError: If no model has this name.
            ConfigError: If its folder now holds another version.
            ArtifactError: If it is damaged.
        """
        from motet.serve.models.served import ServedModel  # imports torch, which the parent of workers does without

        path = self._find(name)
        model = ServedModel.load(path, name=name)
        if model.version != version:
            raise ConfigError(
                f"the model {name!r} was replaced: its folder now holds version {model.version}, not {version}; "
                "name it again to serve what is there"
            )
        return model

    def _find(self, name: str) -> Path:
        models = self.models()
        if name not in models:
            hint = did_you_mean(name, models)
            raise UnknownModelError(f"there is no model {name!r}{hint} Models: {', '.join(models)}.")
        return models[name]
