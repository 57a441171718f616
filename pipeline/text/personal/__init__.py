"""Personal data in texts: found, replaced by placeholders, and put back."""

from pipeline.text.personal.find import Finder
from pipeline.text.personal.kinds import ALL_KINDS, Found, Kind
from pipeline.text.personal.placeholders import Hidden, hide, kind_of, placeholders_in, restore

__all__ = ["ALL_KINDS", "Finder", "Found", "Hidden", "Kind", "hide", "kind_of", "placeholders_in", "restore"]
