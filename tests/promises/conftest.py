"""Helpers that stand beside the tests of this folder, or beside those of the contracts, can be imported by them."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "contracts")]
