"""The SQL that ships in infra/snowflake, as a client reads it: names put in, statements apart."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "snowflake"

# Names for the tests. Upper case as Snowflake stores a name that is not quoted.
NAMES = {
    "owner_role": "TIDEGATE_OWNER",
    "load_role": "TIDEGATE_LOAD",
    "load_user": "TIDEGATE_LOADER",
    "warehouse": "TIDEGATE_WH",
    "integration": "TIDEGATE_S3",
    "database": "TIDEGATE",
    "schema": "MARKET",
    "bucket": "tidegate-staged",
    "prefix": "warehouse",
    "aws_role_arn": "arn:aws:iam::111122223333:role/tidegate-snowflake",
    "public_key": "MIIBIjANBgkq",
}

PLACEHOLDER = re.compile(r"&\{(\w+)\}")

# A value is put in as text, so it holds only what a name, a path, an ARN or a base64 key needs: no quote, no space,
# no semicolon. The same rule belongs to every client that replaces the placeholders itself.
VALUE = re.compile(r"[A-Za-z0-9_./:+=-]+")

# What the fake cannot run, each with its reason. Everything else that ships is run by the tests as it stands.
NOT_IN_FAKE = [
    (r"CREATE ROLE\b", "fakesnow has no roles"),
    (r"CREATE USER\b", "fakesnow has no users of its own, the double's user is given at its start"),
    (r"CREATE WAREHOUSE\b", "fakesnow has no compute, the double takes the name for granted"),
    (r"CREATE STORAGE INTEGRATION\b", "there is no AWS role to take"),
    (r"GRANT\b", "fakesnow enforces no grants; test_shipped.py compares them with what the statements touch"),
    (r"CREATE PIPE\b", "fakesnow has no pipes; its COPY is parsed and run file by file on ingest"),
    (r"SELECT SYSTEM\$PIPE_STATUS\b", "there is no pipe service to ask"),
]


def put_in(text, names):
    """The text with every placeholder replaced; a missing name or an unsafe value is refused."""

    def value(match):
        found = names[match.group(1)]
        if not VALUE.fullmatch(found):
            raise ValueError(f"the value of {match.group(1)} is no plain name: {found!r}")
        return found

    return PLACEHOLDER.sub(value, text)


def statements(file_name, names=NAMES):
    """The statements of one file, without comments and final semicolons."""
    text = put_in((FOLDER / file_name).read_text(), names)
    # No comment holds a semicolon and no literal holds two dashes (test_shipped.py), so this simple way is right.
    bare = re.sub(r"--[^\n]*", "", text)
    return [part.strip() for part in bare.split(";") if part.strip()]


def files():
    return sorted(path.name for path in FOLDER.glob("*.sql"))


def why_not_in_fake(statement):
    for pattern, reason in NOT_IN_FAKE:
        if re.match(pattern, statement, re.IGNORECASE):
            return reason
    return None
