"""What the tables have to hold in the end, said in Python; and the files as the function will write them."""

import gzip
import hashlib
import json
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Row:
    flow: str
    key: str
    source: int
    revision: int
    read: int
    # None: the source deleted it.
    content: str | None
    # The register's hash. Nothing here depends on how it is computed, only on its 32 hex digits.
    hash: str

    @property
    def version(self):
        return (self.source, self.revision, self.read)

    @property
    def deleted(self):
        return self.content is None

    @property
    def digest(self):
        return hashlib.sha256(self.digested().encode()).hexdigest()

    def digested(self):
        version = f"{self.source:020}.{self.revision:010}.{self.read:020}"
        flag = "1" if self.deleted else "0"
        return "\n".join([version, flag, self.hash, self.flow, self.key, self.content or ""])

    def line(self, **wrong):
        """The line of a file. `wrong` overwrites members, for what must be found."""
        return json.dumps(
            {
                "flow": self.flow,
                "key": self.key,
                "version": {"source": self.source, "revision": self.revision, "read": self.read},
                "deleted": self.deleted,
                "hash": self.hash,
                "content": self.content,
                "digest": self.digest,
            }
            | wrong,
            ensure_ascii=False,
        )


def order(key, source, revision=1, read=0, flow="orders-amazon", **fields):
    """An order as of a version; its content and hash differ by version unless fields say otherwise."""
    named = {"marketplace": "amazon", "number": key, "status": f"v{source}.{revision}.{read}", "total": 12.50}
    content = json.dumps(named | fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Row(flow, key, source, revision, read, content, hashlib.sha256(content.encode()).hexdigest()[:32])


def gone(row, **changes):
    return replace(row, content=None, **changes)


def packed(lines):
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def file_of(rows):
    return packed(row.line() for row in rows)


class Model:
    """REG-1 for a table: a greater version replaces, and of one version what the newer file says."""

    def __init__(self):
        self.rows, self.files = {}, {}

    def merge(self, rows, file=""):
        """`file` matters where contents of one version differ."""
        for row in rows:
            place = (row.flow, row.key)
            if (row.version, file) >= self.files.get(place, ((), "")):
                self.rows[place] = row
                self.files[place] = (row.version, file)

    def table(self):
        return sorted(
            (row.flow, row.key, *row.version, row.deleted, row.content, row.digest) for row in self.rows.values()
        )

    def flows(self):
        """Per flow: held, deleted, duplicates, checksum, as 21_reconcile_flows.sql answers."""
        sums = {}
        for row in self.rows.values():
            held, deleted, total = sums.get(row.flow, (0, 0, 0))
            sums[row.flow] = (held + 1, deleted + row.deleted, total + term(row))
        return [(flow, held, deleted, 0, str(total)) for flow, (held, deleted, total) in sorted(sums.items())]


def term(row):
    """The first 60 bits of a digest."""
    return int(row.digest[:15], 16)


def bucket(key):
    return hashlib.sha256(key.encode()).hexdigest()[:2]
