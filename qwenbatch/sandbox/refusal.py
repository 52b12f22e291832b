"""How the sandbox refuses a request that breaks the contract."""

from __future__ import annotations


class RefusalError(Exception):
    """A request is refused: `outcome` for the books, the rest for the wire.

    `error` is the short text of the service's own page, `code` the model service's code; each
    front says it in a shape of its own, unless `body` is what it says.
    """

    def __init__(
        self,
        *,
        outcome: str,
        status: int,
        message: str,
        error: str = "",
        code: str = "",
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(outcome, status, message)
        self.outcome = outcome
        self.status = status
        self.message = message
        self.error = error
        self.code = code
        self.body = body
        self.headers = headers


def refused_plainly(status: int, error: str, message: str, *, outcome: str) -> RefusalError:
    """A refusal as the service's own page words it."""
    return RefusalError(outcome=outcome, status=status, message=message, error=error)


def invalid_request(message: str) -> RefusalError:
    """The request itself is not as documented."""
    return refused_plainly(400, "Invalid request parameters", message, outcome="refused_invalid")


def refused_by_model(
    code: str,
    message: str,
    *,
    status: int = 400,
    outcome: str = "refused_invalid",
) -> RefusalError:
    """A refusal as the model service words it."""
    return RefusalError(outcome=outcome, status=status, message=message, code=code)


def invalid_parameter(message: str) -> RefusalError:
    """The model service does not take what it was given."""
    return refused_by_model("InvalidParameter", message)
