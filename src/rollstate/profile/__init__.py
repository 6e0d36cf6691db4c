"""A chain in a hundred kilobytes: what a trace says about slots taken one by one, as counts that add up.

A profile holds no address and no key. It is made in one pass (`make`, `of_parts`, `reduce`), saved to one Parquet file
with its stamp inside (`save`), and read from a path or from those that come with the package (`load`, `shipped`). The
modules say what can be computed from it: `curves` (Kaplan-Meier), `costs` (windows), `reuse` (by lag), `counts`
(frequencies, Hill, concentration, hot sets), `rows` (grouped rows for regressions), `resampling` (jackknife and
bootstrap over its groups). `tables` is the schema.
"""

from rollstate.profile.files import load_file, save
from rollstate.profile.packaged import load, load_window, shipped
from rollstate.profile.reduction import make, of_parts, reduce
from rollstate.profile.tables import Profile

__all__ = ["Profile", "load", "load_file", "load_window", "make", "of_parts", "reduce", "save", "shipped"]
