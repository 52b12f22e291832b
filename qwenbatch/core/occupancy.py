"""What to do about a path at which something already lies."""

from __future__ import annotations

from enum import StrEnum


class Occupant(StrEnum):
    """What lies at an item's path, as far as the ledger knows it."""

    NOTHING = "nothing"
    THIS_RESULT = "this_result"
    """A result of ours with the item's key, unaltered."""
    OTHER_RESULT = "other_result"
    """A result of ours with another key, unaltered."""
    ALTERED = "altered"
    """A result of ours that someone changed."""
    FOREIGN = "foreign"
    """A file that the ledger does not know."""
    SOURCE = "source"
    """A file that some row edits."""
    FOLDER = "folder"
    """A folder, or something that is no file."""
    UNREADABLE = "unreadable"
    """Something that cannot be looked at."""
    LINK = "link"
    """A symbolic link, at the path or on the way to it."""
    TOO_LONG = "too_long"
    """Nothing can: with OUT before it, the path is longer than the store takes."""


class Claim(StrEnum):
    """What an item may do with its path."""

    DONE = "done"
    """It is in place: nothing is to be done."""
    FREE = "free"
    """The result may be placed."""
    REPLACE = "replace"
    """The other result is moved to `replaced/` when the new one is about to take its place."""
    OVERWRITE = "overwrite"
    """What lies there is overwritten, because it was asked for."""
    INVALID = "invalid"
    """The item is refused before anything is sent."""


def claim(occupant: Occupant, *, overwrite: bool) -> Claim:
    """What an item may do with a path that this occupies."""
    match occupant:
        case Occupant.NOTHING:
            return Claim.FREE
        case Occupant.THIS_RESULT:
            return Claim.DONE
        case Occupant.OTHER_RESULT:
            return Claim.REPLACE
        case Occupant.ALTERED | Occupant.FOREIGN:
            return Claim.OVERWRITE if overwrite else Claim.INVALID
        case (
            Occupant.SOURCE
            | Occupant.FOLDER
            | Occupant.UNREADABLE
            | Occupant.LINK
            | Occupant.TOO_LONG
        ):
            return Claim.INVALID


REFUSALS = {
    Occupant.ALTERED: (
        "someone altered the result there",
        "move it away, or overwrite it with --overwrite (nothing is paid again)",
    ),
    Occupant.FOREIGN: (
        "a file that is not ours lies there",
        "move it away, choose another output, or overwrite it with --overwrite",
    ),
    Occupant.SOURCE: (
        "it is itself a source of this manifest",
        "choose another output, or another folder with -o",
    ),
    Occupant.FOLDER: ("it is no regular file", "choose another output"),
    Occupant.UNREADABLE: (
        "what lies there cannot be looked at",
        "make it readable for this user, or choose another output",
    ),
    Occupant.LINK: (
        "it is, or lies behind, a symbolic link",
        "choose another output, or replace the link by a real folder",
    ),
    Occupant.TOO_LONG: (
        "with OUT before it, the path is longer than the store takes",
        "choose a shorter output, or a shorter OUT",
    ),
}
"""Why an item is refused for what lies at its path, and what to do."""
