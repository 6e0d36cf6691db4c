"""The errors every floor of the package raises: each names the bad input and the remedy."""


class RollstateError(Exception):
    """Base of every error raised on purpose by this package."""


class InputError(RollstateError, ValueError):
    """An argument, a file or a parameter breaks a stated rule; the message names it and the remedy."""


class DataUnavailableError(RollstateError):
    """A public data set is neither in the local directory nor reachable; nothing was substituted."""


class RollstateWarning(UserWarning):
    """A result that is returned, but flagged: it must not be quoted without its caveat."""
