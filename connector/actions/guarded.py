"""The action that lists what known-good lists held back."""

from typing import Literal

from pydantic import BaseModel, Field

from connector.actions.registry import ActionContext, Parameters, Result, action
from connector.operations import guards


class ListGuarded(Parameters):
    """Which values."""

    route: str | None = Field(None, description="Name of the only route to look at. Without it: all routes.")
    list: str | None = Field(None, description="Name of the only known-good list to look at. Without it: all lists.")
    limit: int = Field(100, ge=1, le=1000, description="How many values to list, at most.")


class GuardedResult(BaseModel):
    """A value that is not said to be bad, and the list that has it."""

    route: str = Field(description="Name of the route that held it back.")
    source: str = Field(description="Name of the source that the notification is from.")
    notification: str = Field(description="The notification's id at VirusTotal.")
    raised: str = Field(description="When the notification was raised (RFC 3339).")
    value: str = Field(description="The value: a host, address, URL or hash.")
    of: Literal["observable", "derived"] = Field(
        description=(
            "What the value is to the notification: `observable`, what it is about, so that it was not delivered; or "
            "`derived`, what it merely names, such as a host in a malware configuration."
        )
    )
    list: str = Field(description="Name of the known-good list.")
    entry: str = Field(description="What of the list it matches.")


class ListGuardedResult(Result):
    """The newest values that were held back."""

    guarded: list[GuardedResult] = Field(description="The values, those of the newest notifications first.")

    def message(self) -> str:
        """How many there are."""
        count = len(self.guarded)
        return f"{count} values held back" if count else "nothing is held back for a known-good list"

    def summary(self) -> dict[str, int]:
        """Listed."""
        return {"listed": len(self.guarded)}


@action("read", "none", limit=10)
def list_guarded(context: ActionContext, asked: ListGuarded) -> ListGuardedResult:
    """List what is not said to be bad because a known-good list has it, the newest notifications first.

    Each value comes with the list, the route that held it back and the notification, for as long as the journal keeps
    that.
    """
    found = guards.held_back(context.plan, asked.route, asked.list, asked.limit, context.sources)
    return ListGuardedResult(guarded=[GuardedResult.model_validate({**each, "of": each["as"]}) for each in found])
