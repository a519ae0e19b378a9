"""How a revision is written: `main@sha1:<hex>`, `sha1:<hex>`, `refs/pull/1/head@sha1:<hex>`, and the older forms `main/<hex>`,
`HEAD/<hex>` and `<hex>` that are still found in status fields. Pure text."""

UNKNOWN_ALGORITHM = "<unknown>"
SHA1_LENGTH = 40
SUBJECT_LENGTH = 50


def hash_algorithm(commit: str) -> str:
    """Return `sha1` for 40 digits; other lengths have no name here."""
    return "sha1" if len(commit) == SHA1_LENGTH else UNKNOWN_ALGORITHM


def hash_digest(commit: str) -> str:
    """Return `sha1:<hex>`, empty for no hash."""
    return f"{hash_algorithm(commit)}:{commit}" if commit else ""


def short_revision(reference: str, commit: str) -> str:
    """Return `NAME@sha1:<hex>` for `refs/x/NAME`, `sha1:<hex>` without a reference."""
    parts = reference.split("/", 2)
    return f"{parts[2]}@{hash_digest(commit)}" if len(parts) == 3 else hash_digest(commit)


def absolute_revision(reference: str, commit: str) -> str:
    """Return the revision with the whole name of the reference."""
    return f"{reference}@{hash_digest(commit)}" if reference else hash_digest(commit)


def tag_text(name: str, tag_object: str) -> str:
    """Return how a tag is named in messages, with the hash of its object when it is an annotated one."""
    return f"{name}@{tag_object}" if tag_object else name


def current_form(revision: str) -> str:
    """Return the revision in the form of today; one that already is comes back unchanged."""
    if not revision or ":" in revision:
        return revision
    pointer, _, commit = revision.rpartition("/")
    if pointer in ("", "HEAD"):
        return hash_digest(commit)
    return f"{pointer}@{hash_digest(commit)}"


def same_revision(one: str, other: str) -> bool:
    """Tell whether two revisions are the same, whatever form they are written in."""
    return current_form(one) == current_form(other)


def split(revision: str) -> tuple[str, str]:
    """Return the named pointer and the hash; either may be empty."""
    pointer, _, digest = current_form(revision).rpartition("@")
    return pointer, digest.rpartition(":")[2]


def shorten_subject(message: str) -> str:
    """Return the first line of a commit message, cut to 50 characters, for events."""
    subject = message.split("\n", 1)[0]
    return subject if len(subject) <= SUBJECT_LENGTH else f"{subject[:SUBJECT_LENGTH]}..."
