"""How the sandbox refuses a request that breaks the contract."""

from __future__ import annotations

from uuid import uuid4

from qwenbatch.sandbox import shapes


class RefusalError(Exception):
    """A request is refused: `outcome` for the books, the rest for the wire."""

    def __init__(
        self,
        *,
        outcome: str,
        status: int,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(outcome, status, body)
        self.outcome = outcome
        self.status = status
        self.body = body
        self.headers = (shapes.JSON_TYPE, *headers)


def refused_plainly(status: int, error: str, message: str, *, outcome: str) -> RefusalError:
    """A refusal in the shape of the service's own page."""
    return RefusalError(
        outcome=outcome,
        status=status,
        body=shapes.plain_body(error, message),
    )


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
    """A refusal in the shape of the model service."""
    return RefusalError(
        outcome=outcome,
        status=status,
        body=shapes.model_body(str(uuid4()), code, message),
    )


def invalid_parameter(message: str) -> RefusalError:
    """The model service does not take what it was given."""
    return refused_by_model("InvalidParameter", message)
