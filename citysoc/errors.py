"""Every error that citysoc raises on purpose.

    CitysocError              says what is wrong, where, and what to do next
    ├── ConfigError           the configuration cannot be used        (exit code 3)
    ├── UsageError            a question or an option makes no sense  (exit code 2)
    ├── InputError            input that cannot be read as asked
    ├── RuleError             a detection rule that cannot be honoured
    ├── StoreError            the event store or the state database refuses
    ├── DeliveryError         a notification was not accepted
    └── SourceError           a source cannot be pulled

An error is *transient* when the same call may succeed later; only those are retried.
"""

from __future__ import annotations


class CitysocError(Exception):
    """The root of all errors that citysoc raises on purpose.

    Args:
        message: what is wrong, as one sentence.
        where: the place: ``file:line``, a source id, a column of a query.
        hint: what to do next, as one sentence.
        transient: whether the same call may succeed later.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.transient = transient

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} {self.hint}" if self.hint else text


class ConfigError(CitysocError):
    """The configuration cannot be used; ``problems`` holds every mistake at once."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        problems: tuple[ConfigError, ...] = (),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.problems = problems


class UsageError(CitysocError):
    """A question, an option or an argument that makes no sense."""

    exit_code = 2


class InputError(CitysocError):
    """Input that cannot be read as asked."""


class RuleError(CitysocError):
    """A detection rule that cannot be honoured."""


class StoreError(CitysocError):
    """The event store or the state database refuses."""


class DeliveryError(CitysocError):
    """A notification was not accepted by its receiver."""


class SourceError(CitysocError):
    """A source cannot be pulled."""
