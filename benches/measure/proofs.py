"""How the proofs read what Bespoke writes, tests/prove/oracle: outputs by their schemas, and the rows of the
state. Another reading of the same would only have to be kept alike."""

from __future__ import annotations

import sys

from .settings import BENCHES

sys.path.insert(0, str(BENCHES.parent / "tests" / "prove"))

from oracle.log import CannotCheck  # noqa: E402
from oracle.postcard import Unreadable  # noqa: E402
from oracle.rows import profile_of  # noqa: E402
from oracle.schemas import Schemas, Undecodable  # noqa: E402
from oracle.state import number_of  # noqa: E402

__all__ = ["CannotCheck", "Schemas", "Undecodable", "Unreadable", "number_of", "profile_of"]
