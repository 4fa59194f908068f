"""A warehouse with the shipped objects in it, and what every test asks of it.

python3 -m pip install -r requirements.txt && python3 -m unittest
"""

import functools
import unittest

import shipped
from fake import Warehouse
from model import Model

PIPE = f"{shipped.NAMES['database']}.{shipped.NAMES['schema']}.LANDING_PIPE"
FLOWS = ("orders-amazon", "returns")
SETUP = ("01_account.sql", "02_objects.sql", "03_pipe.sql", "04_grants.sql")
MERGE = shipped.statements("11_merge.sql")
# The three that change something, for tests that run them without the transaction around them.
TURN, MERGED, CLEANED = MERGE[1:4]


@functools.cache
def warehouse():
    """One for all tests of a process, since setting up costs more than a test; each test empties it first."""
    made = Warehouse()
    for file in SETUP:
        made.set_up(shipped.statements(file))
    return made


class Bench(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.warehouse = warehouse()
        self.warehouse.load_history.clear()
        self.session = self.connect()
        self.sql("DELETE FROM landing")
        self.sql("DELETE FROM records")
        self.model = Model()
        self.addCleanup(self.session.close)

    def connect(self):
        return self.warehouse.session(shipped.NAMES["database"], shipped.NAMES["schema"])

    def sql(self, text, binds=None):
        return self.session.execute(text, binds).rows

    def land(self, name, data):
        """Announces one file to the pipe."""
        return self.warehouse.ingest(PIPE, [(f"orders/{name}.jsonl.gz", data)])[0][1]

    def merge(self, session=None):
        for text in MERGE:
            (session or self.session).execute(text)

    def shipped(self, file, binds=None):
        (text,) = shipped.statements(file)
        return [tuple(_plain(value) for value in row) for row in self.sql(text, binds)]

    def table(self):
        rows = self.sql(
            "SELECT flow, record_key, source_version, revision, read_number, deleted, content, digest FROM records"
        )
        return sorted(tuple(_plain(value) for value in row) for row in rows)

    def landed(self):
        return self.sql("SELECT COUNT(*) FROM landing")[0][0]

    def assert_model(self):
        """The merged table, the counts and the checksum are the model's, and no row is unsound."""
        self.assertEqual(self.table(), self.model.table())
        self.assertEqual(self.shipped("21_reconcile_flows.sql"), self.model.flows())
        self.assertEqual(self.unsound(), [])

    def unsound(self):
        """The rows of 24_unsound.sql for the flows of the tests."""
        return [row for flow in FLOWS for row in self.shipped("24_unsound.sql", [flow, flow])]


def _plain(value):
    """Numbers of the database as Python's, for comparisons."""
    return int(value) if type(value).__name__ == "Decimal" and value == int(value) else value
