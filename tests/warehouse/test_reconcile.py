"""The reconciliation finds what is not as it was sent, and names it."""

import hashlib
import tomllib
import unittest
from dataclasses import replace

from bench import Bench
from model import Row, bucket, file_of, gone, order, packed, term
from shipped import FOLDER

FLOWS = FOLDER.parent / "flows" / "examples"


class Checksums(Bench):
    def test_the_digest_is_the_one_that_is_written_down_here(self):
        """The form itself, so that another implementation can be held to it."""
        row = order("a:1", 1780000000000000, 2, 3)
        text = "00001780000000000000.0000000002.00000000000000000003\n0\n" + row.hash + "\norders-amazon\na:1\n" + row.content
        self.assertEqual(row.digest, hashlib.sha256(text.encode()).hexdigest())
        text = "00001780000000000000.0000000002.00000000000000000003\n1\n" + row.hash + "\norders-amazon\na:1\n"
        self.assertEqual(gone(row).digest, hashlib.sha256(text.encode()).hexdigest())

    def test_the_digests_of_two_lines_are_known(self):
        """Values to hold the writer of the files to."""
        hash_ = "00112233445566778899aabbccddeeff"
        row = Row("orders", "amazon:123-456", 1780000000000000, 1, 0, '{"status":"shipped"}', hash_)
        self.assertEqual(row.digest, "84413bc486a0e712bb0110dab7e0e659a23b0ff91693e746cce6d95134d3ddc9")
        self.assertEqual(gone(row).digest, "0386cba05d0221e51876a5c89f774a9c2c282badccd4b5438e453f3d5198552c")
        self.assertEqual((term(row), bucket(row.key)), (595622750109437553, "fd"))
        self.land("one", file_of([row]))
        self.merge()
        ((_, held, _, _, checksum),) = self.shipped("21_reconcile_flows.sql")
        self.assertEqual((held, checksum), (1, str(term(row))))

    def test_the_sum_of_many_is_exact(self):
        rows = [order(f"k:{number}", number, flow=("orders-amazon", "returns")[number % 2]) for number in range(500)]
        self.land("many", file_of(rows))
        self.merge()
        self.model.merge(rows)
        self.assertEqual(self.shipped("21_reconcile_flows.sql"), self.model.flows())
        self.assertGreater(int(self.model.flows()[0][4]), 2**64)

    def test_a_missing_or_older_record_is_found_in_its_bucket_and_named(self):
        rows = [order(f"k:{number}", 2) for number in range(40)]
        self.land("some", file_of([order("k:7", 1), *rows[:7], *rows[8:20], *rows[21:]]))
        self.merge()
        self.model.merge(rows)
        self.assertNotEqual(self.shipped("21_reconcile_flows.sql"), self.model.flows())
        ours = {}
        for row in rows:
            held, total = ours.get(bucket(row.key), (0, 0))
            ours[bucket(row.key)] = (held + 1, total + term(row))
        theirs = {
            name: (held, int(total)) for name, held, _, total in self.shipped("22_reconcile_buckets.sql", ["orders-amazon"])
        }
        differ = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
        self.assertEqual(differ, {bucket("k:7"), bucket("k:20")})
        found = set()
        for name in differ:
            theirs = {row[0]: row[5] for row in self.shipped("23_reconcile_rows.sql", ["orders-amazon", name, ""])}
            found |= {row.key for row in rows if bucket(row.key) == name and theirs.get(row.key) != row.digest}
        self.assertEqual(found, {"k:7", "k:20"})
        # The rows of a bucket are those of one flow, and its rest is what comes after a key.
        self.land("other", file_of([order("k:7", 1, flow="returns")]))
        self.merge()
        whole = self.shipped("23_reconcile_rows.sql", ["orders-amazon", bucket("k:7"), ""])
        rest = self.shipped("23_reconcile_rows.sql", ["orders-amazon", bucket("k:7"), whole[0][0]])
        self.assertEqual(rest, whole[1:])
        of_bucket = sorted(row.key for row in rows if bucket(row.key) == bucket("k:7"))
        self.assertEqual([row[0] for row in whole], of_bucket)


class Unsound(Bench):
    def start(self):
        self.setUp()
        self.land("one", file_of([order("a:1", 1), order("a:2", 1), gone(order("a:3", 1))]))
        self.merge()
        self.assertEqual(self.unsound(), [])

    def test_any_column_that_is_altered_in_the_merged_table_is_found(self):
        changes = [
            "content = REPLACE(content, '12.5', '12.4')",
            "fields = PARSE_JSON('{\"total\":1}')",
            "fields = NULL",
            "source_version = 2",
            "revision = 2",
            "read_number = 2",
            "deleted = TRUE",
            "content_hash = '01112233445566778899aabbccddeeff'",
            "flow = 'returns'",
            "record_key = 'a:20'",
            "digest = '00'",
        ]
        for change in changes:
            with self.subTest(change=change):
                self.start()
                self.sql(f"UPDATE records SET {change} WHERE record_key = 'a:2'")
                self.assertEqual(len(self.unsound()), 1)
        self.start()
        self.sql("UPDATE records SET content = '{}' WHERE record_key = 'a:3'")
        self.assertEqual(len(self.unsound()), 1)

    def test_one_bit_that_flips_in_a_content_is_found_wherever_it_is(self):
        rows = [order(f"k:{number}", 1) for number in range(25)]
        self.land("one", file_of(rows))
        self.merge()
        self.model.merge(rows)
        self.assertEqual(self.shipped("21_reconcile_flows.sql"), self.model.flows())
        for number, row in enumerate(rows):
            data = bytearray(row.content.encode())
            # Every part of the text, and the bits that leave it ASCII.
            data[number * len(data) // len(rows)] ^= 1 << number % 6
            self.sql("UPDATE records SET content = ? WHERE record_key = ?", [data.decode(), row.key])
        self.assertEqual({row[1] for row in self.unsound()}, {row.key for row in rows})
        self.assertNotEqual(self.shipped("21_reconcile_flows.sql"), self.model.flows())

    def test_a_line_that_was_altered_on_its_way_does_not_enter_and_is_named(self):
        row = order("a:1", 2)
        held = order("a:1", 1)
        self.land("1", file_of([held]))
        self.merge()
        wrongs = [
            {"content": row.content.replace("12.5", "12.4")},
            {"version": {"source": 3, "revision": 1, "read": 0}},
            {"deleted": True},
            {"hash": "f" + row.hash[1:]},
            {"key": "a:1 "},
        ]
        self.land("2", packed(row.line(**wrong) for wrong in wrongs))
        self.merge()
        self.model.merge([held])
        self.assertEqual(self.table(), self.model.table())
        self.assertEqual(len(self.unsound()), len(wrongs))
        # Sent again as it is, it goes in, and its damaged copies of the same version or an older one go.
        self.land("3", file_of([row]))
        self.merge()
        self.model.merge([row])
        self.assertEqual(self.table(), self.model.table())
        self.assertEqual(sorted(entry[1:3] for entry in self.unsound()), [("a:1", 3), ("a:1 ", 2)])

    def test_a_content_that_is_no_json_stops_no_other_record_and_is_named(self):
        rows = [replace(order("a:1", 1), content="{"), order("a:2", 1)]
        self.land("one", file_of(rows))
        self.merge()
        self.model.merge(rows)
        self.assertEqual(self.table(), self.model.table())
        self.assertEqual([row[1] for row in self.unsound()], ["a:1"])


class Columns(Bench):
    def test_the_columns_of_the_tables_and_of_the_named_view_are_told(self):
        found = {}
        for table, name, kind in self.shipped("12_columns.sql", ["ORDERS"]):
            found.setdefault(table, {})[name] = kind
        self.assertEqual(set(found), {"LANDING", "RECORDS", "ORDERS"})
        self.assertEqual(found["RECORDS"]["CONTENT"], "TEXT")
        self.assertEqual((found["ORDERS"]["TOTAL"], found["ORDERS"]["PLACED_AT"]), ("NUMBER", "TIMESTAMP_TZ"))

    def test_another_schema_and_a_view_that_is_not_named_are_not_told(self):
        self.sql("CREATE SCHEMA IF NOT EXISTS TIDEGATE.OTHER")
        self.sql("CREATE TABLE IF NOT EXISTS TIDEGATE.OTHER.RECORDS (elsewhere VARCHAR)")
        rows = self.shipped("12_columns.sql", ["RECORDS"])
        self.assertEqual({row[0] for row in rows}, {"LANDING", "RECORDS"})
        self.assertNotIn("ELSEWHERE", {row[1] for row in rows})

    def test_the_view_has_a_column_for_each_field_of_the_orders_and_none_for_what_is_private(self):
        columns = {row[1].lower() for row in self.shipped("12_columns.sql", ["ORDERS"]) if row[0] == "ORDERS"}
        for name in ("orders-shopify", "orders-amazon"):
            flow = tomllib.loads((FLOWS / f"{name}.toml").read_text())
            self.assertEqual(set(flow["fields"]) - columns, set(flow["private"]))


class Waiting(Bench):
    def test_what_waits_is_counted_with_its_age(self):
        self.assertEqual(self.shipped("33_landing_age.sql"), [(0, None)])
        self.land("one", file_of([order("a:1", 1), order("a:2", 1)]))
        ((waiting, age),) = self.shipped("33_landing_age.sql")
        self.assertEqual(waiting, 2)
        self.assertIn(age, range(60))


if __name__ == "__main__":
    unittest.main()
