"""How shapes and types in signatures are checked while tests run.

beartype decorates one method at a time here, where it cannot know which class `Self` means; that one hint is left out.
"""

from __future__ import annotations

from typing import Self

from beartype import BeartypeConf, FrozenDict, beartype

checked = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: object}), is_pep484_tower=True))
