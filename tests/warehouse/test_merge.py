"""The merge and the cleaning end in the table that the model says, whatever happens between them."""

import datetime
import itertools
import random
import threading
import unittest
from dataclasses import replace

from bench import CLEANED, MERGE, MERGED, PIPE, TURN, Bench
from fake import SqlError
from model import file_of, gone, order, packed


class OneLoad(Bench):
    def test_a_load_ends_in_the_newest_version_of_each_key(self):
        rows = [order("a:1", 1), order("a:1", 3), order("a:1", 2), order("b:2", 1, flow="returns")]
        self.land("one", file_of(rows))
        self.merge()
        self.model.merge(rows)
        self.assert_model()
        self.assertEqual(self.landed(), 0)

    def test_the_revision_and_then_the_read_number_decide_where_the_source_version_is_equal(self):
        for greater, lesser in [((5, 2, 0), (5, 1, 9)), ((5, 1, 2), (5, 1, 1)), ((6, 1, 0), (5, 9, 9))]:
            with self.subTest(greater=greater, lesser=lesser):
                self.setUp()
                for name, version in (("first", greater), ("second", lesser)):
                    row = order("a:1", *version)
                    self.land(name, file_of([row]))
                    self.merge()
                    self.model.merge([row])
                self.assert_model()
                self.setUp()
                both = [order("a:1", *lesser), order("a:1", *greater)]
                self.land("both", file_of(both))
                self.merge()
                self.model.merge(both)
                self.assert_model()
                self.setUp()
                for name, row in zip("cd", both):
                    self.land(name, file_of([row]))
                    self.merge()
                self.model.merge(both)
                self.assert_model()

    def test_versions_keep_every_bit_up_to_the_greatest(self):
        rows = [order("a:1", 2**64 - 1, 2**32 - 1, 2**64 - 2), order("a:1", 2**64 - 1, 2**32 - 1, 2**64 - 1)]
        self.land("one", file_of(reversed(rows)))
        self.merge()
        self.model.merge(rows)
        self.assert_model()

    def test_numbers_compare_as_numbers_and_not_as_text(self):
        for rows in ([order("a:1", 10), order("a:1", 9)], [order("b:1", 9), order("b:1", 10)]):
            self.land(rows[0].key[0], file_of(rows))
            self.model.merge(rows)
        self.merge()
        self.assert_model()

    def test_a_load_repeated_changes_nothing(self):
        rows = [order("a:1", 1), order("a:2", 1)]
        for name in ("1", "2", "0", "2"):
            self.land(name, file_of(rows))
            self.merge()
            before = self.sql("SELECT record_key, merged_at FROM records ORDER BY 1")
            self.merge()
            self.assertEqual(self.sql("SELECT record_key, merged_at FROM records ORDER BY 1"), before)
            self.model.merge(rows)
            self.assert_model()
        # The same file once more, after the load history forgot it: not even a time moves.
        self.warehouse.load_history.clear()
        self.land("2", file_of(rows))
        self.merge()
        self.assertEqual(self.sql("SELECT record_key, merged_at FROM records ORDER BY 1"), before)
        self.assertEqual(self.landed(), 0)

    def test_files_out_of_order_end_as_files_in_order(self):
        rows = [order("a:1", version) for version in (1, 2, 3)]
        for row in (rows[2], rows[0], rows[1]):
            self.land(str(row.source), file_of([row]))
            self.merge()
        self.model.merge(rows)
        self.assert_model()

    def test_of_one_version_the_newer_file_stands_whenever_it_lands(self):
        """A person edited what is sent, or had it loaded again, since somebody altered its row."""
        contents = {name: order("a:1", 1, status=name) for name in ("2", "3", "1")}
        for name, row in contents.items():
            self.land(name, file_of([row]))
            self.merge()
            self.model.merge([row], name)
            self.assert_model()
            self.assertEqual(self.landed(), 0)
        # The folder is not what is compared: that of a flow can be moved.
        self.warehouse.ingest(PIPE, [("a/orders-amazon/4.jsonl.gz", file_of([order("a:1", 1, status="4")]))])
        self.merge()
        self.assertEqual(self.sql("SELECT fields:status::VARCHAR, loaded_from FROM records"), [("4", "4.jsonl.gz")])

    def test_a_row_that_somebody_altered_is_mended_by_its_line_in_another_file(self):
        row = order("a:1", 1)
        self.model.merge([row])
        self.land("1", file_of([row]))
        self.merge()
        self.sql("UPDATE records SET content = '{}', deleted = TRUE")
        self.land("2", file_of([row]))
        self.merge()
        self.assert_model()

    def test_a_newer_file_of_one_version_is_not_cleaned_before_it_is_merged(self):
        self.land("1", file_of([order("a:1", 1, status="1")]))
        self.merge()
        self.land("2", file_of([order("a:1", 1, status="2")]))
        self.sql(CLEANED)
        self.assertEqual(self.landed(), 1)

    def test_of_the_landed_rows_of_one_version_the_last_by_file_and_line_goes_in(self):
        rows = [order("a:1", 1, status=status) for status in "abcd"]
        self.land("2", file_of(rows[2:]))
        self.land("1", file_of(rows[:2]))
        self.merge()
        self.model.merge(rows)
        self.assert_model()

    def test_a_tombstone_is_not_revived_by_an_older_update_and_is_by_a_newer(self):
        old, dead, new = order("a:1", 1), gone(order("a:1", 2)), order("a:1", 3)
        for row, visible in ((dead, 0), (old, 0), (new, 1)):
            self.land(f"v{row.source}", file_of([row]))
            self.merge()
            self.model.merge([row])
            self.assert_model()
            self.assertEqual(len(self.sql("SELECT * FROM orders")), visible)

    def test_a_key_of_two_flows_is_two_records(self):
        rows = [order("k", 1), gone(order("k", 2, flow="returns"))]
        self.land("one", file_of(rows))
        self.merge()
        self.model.merge(rows)
        self.assert_model()

    def test_text_of_any_kind_arrives_byte_for_byte(self):
        rows = [
            order("a:'; DROP TABLE records; --", 1, note='quotes " and \\ and \n and \t'),
            order("ключ\nзапись", 1, note="ü€😀 \u2028"),
            order("n", 1, total=1e21, units=10**30, nested={"a": [1, 1.0, None, True, {}]}),
        ]
        self.land("one", file_of(rows))
        self.merge()
        self.model.merge(rows)
        self.assert_model()

    def test_the_view_types_the_fields_and_a_value_of_another_type_is_null_in_its_cell_only(self):
        rows = [
            order("a:1", 1, placed_at="2026-02-03T04:05:06Z", total="12.3400", units=3, currency="EUR"),
            order("a:2", 1, placed_at="soon", total="many"),
            order("a:3", 1, flow="returns"),
            order("s:1", 1, flow="orders-shopify", total="7"),
        ]
        self.land("one", file_of(rows))
        self.merge()
        typed = self.sql("SELECT record_key, total::VARCHAR, units, placed_at FROM orders ORDER BY 1")
        at = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
        self.assertEqual([tuple(row) for row in typed], [("a:1", "12.3400", 3, at), ("a:2", None, None, None), ("s:1", "7.0000", None, None)])


class Files(Bench):
    def test_a_landed_row_says_where_it_came_from(self):
        self.land("one", file_of([order("a:1", 1), order("a:2", 1)]))
        rows = self.sql("SELECT record_key, file_name, file_row FROM landing ORDER BY 1")
        self.assertEqual([tuple(row) for row in rows], [(f"a:{n}", "orders/one.jsonl.gz", n) for n in (1, 2)])

    def test_a_file_that_is_announced_twice_is_read_once(self):
        data = file_of([order("a:1", 1)])
        self.assertEqual([self.land("one", data) for _ in range(2)], ["Loaded", "loaded before"])
        self.assertEqual(self.landed(), 1)

    def test_a_file_that_is_read_twice_all_the_same_changes_nothing(self):
        """A load history ends (14 days at a pipe), and a file can be written again below another name."""
        row = order("a:1", 1)
        for _ in range(2):
            self.land("one", file_of([row, row]))
            self.warehouse.load_history.clear()
        self.merge()
        self.model.merge([row])
        self.assert_model()
        self.assertEqual(self.landed(), 0)

    def test_a_file_with_a_bad_line_is_skipped_whole(self):
        good = order("a:1", 1)
        bad = [
            "{",
            '{"flow":"orders"}',
            good.line(version={"source": "x"}),
            good.line(deleted="perhaps"),
            good.line(digest=None),
        ]
        for number, line in enumerate(bad):
            with self.subTest(line=line):
                self.assertIn("Load failed", self.land(str(number), packed([good.line(), line])))
        self.assertIn("Load failed", self.land("cut", file_of([good])[:-12]))
        self.assertEqual(self.landed(), 0)

    def test_a_skipped_file_is_named_to_its_flow_alone(self):
        self.land("bad", packed(["{"]))
        self.land("good", file_of([order("a:1", 1)]))
        found = self.shipped("31_files_not_loaded.sql", ["orders"])
        self.assertEqual([(row[0], row[1]) for row in found], [("orders/bad.jsonl.gz", "Load failed")])
        self.assertEqual(self.shipped("31_files_not_loaded.sql", ["rs"]), [])

    def test_a_skipped_file_is_read_when_it_is_written_right(self):
        row = order("a:1", 1)
        self.land("one", packed(["{"]))
        self.assertEqual(self.land("one", file_of([row])), "Loaded")

    def test_a_file_of_another_name_is_left_alone(self):
        self.assertEqual(
            self.warehouse.ingest("TIDEGATE.MARKET.LANDING_PIPE", [("orders/one.json", b"")])[0][1],
            "not of the pattern",
        )


class Cuts(Bench):
    def start(self):
        self.setUp()
        held = [order("a:1", 5), order("a:2", 5), order("a:3", 5)]
        self.land("held", file_of(held))
        self.merge()
        came = [order("a:1", 6), gone(order("a:2", 6)), order("a:3", 4), order("a:4", 1), order("a:4", 2)]
        self.land("came", file_of(came))
        self.model.merge(held + came)

    def test_a_merge_that_is_cut_between_two_statements_leaves_the_tables_and_the_next_one_ends_it(self):
        for cut in range(len(MERGE)):
            with self.subTest(cut=cut):
                self.start()
                before = (self.table(), self.landed())
                other = self.connect()
                for text in MERGE[:cut]:
                    other.execute(text)
                other.close()
                self.assertEqual((self.table(), self.landed()), before)
                self.merge()
                self.assert_model()
                self.assertEqual(self.landed(), 0)

    def test_without_the_transaction_a_cut_does_no_harm_either(self):
        for cut in range(4):
            with self.subTest(cut=cut):
                self.start()
                for text in (TURN, MERGED, CLEANED)[:cut]:
                    self.sql(text)
                self.merge()
                self.assert_model()
                self.assertEqual(self.landed(), 0)

    def test_statements_in_a_wrong_order_lose_nothing(self):
        self.start()
        for text in (CLEANED, MERGED, CLEANED, CLEANED, MERGED):
            self.sql(text)
        self.assert_model()

    def test_rows_that_land_between_merge_and_cleaning_stay_for_the_next_merge(self):
        self.start()
        late = [order("a:1", 7), order("a:9", 1), gone(order("a:4", 3)), order("a:2", 1)]
        self.sql(MERGED)
        self.land("late", file_of(late))
        self.sql(CLEANED)
        # The last of them is older than what is held, so that it may go at once.
        self.assertEqual(self.landed(), 3)
        self.merge()
        self.model.merge(late)
        self.assert_model()
        self.assertEqual(self.landed(), 0)

    def test_a_landed_version_that_is_greater_in_any_part_is_never_cleaned_before_it_is_merged(self):
        held = order("a:1", 5, 5, 5)
        for version in ((6, 1, 1), (6, 4, 9), (5, 6, 1), (5, 5, 6)):
            with self.subTest(version=version):
                self.setUp()
                self.land("held", file_of([held]))
                self.merge()
                self.land("late", file_of([order("a:1", *version)]))
                self.sql(CLEANED)
                self.assertEqual(self.landed(), 1)
        for version in ((4, 9, 9), (5, 4, 9), (5, 5, 4), (5, 5, 5)):
            with self.subTest(version=version):
                self.setUp()
                self.land("held", file_of([held]))
                self.merge()
                self.land("again", file_of([order("a:1", *version)]))
                self.sql(CLEANED)
                self.assertEqual(self.landed(), 0)


class AtOnce(Bench):
    def test_two_merges_interleaved_at_every_statement_end_in_the_same_table(self):
        for turns in sorted(set(itertools.permutations("AABB"))):
            with self.subTest(turns=turns):
                self.setUp()
                rows = [order("a:1", 1), order("a:1", 2), gone(order("a:2", 1))]
                late = [order("a:1", 3), order("a:3", 1)]
                self.land("rows", file_of(rows))
                sessions = {name: (self.connect(), iter((MERGED, CLEANED))) for name in "AB"}
                for number, name in enumerate(turns):
                    session, texts = sessions[name]
                    session.execute(next(texts))
                    if number == 1:
                        self.land("late", file_of(late))
                for session, _ in sessions.values():
                    session.close()
                self.model.merge(rows + late)
                self.merge()
                self.assert_model()
                self.assertEqual(self.landed(), 0)

    def test_merges_in_threads_while_files_land_end_in_the_same_table(self):
        rng = random.Random(7)
        rows = [order(f"a:{rng.randrange(6)}", rng.randrange(9)) for _ in range(60)]
        errors = []

        def repeat():
            session = self.connect()
            try:
                for _ in range(4):
                    self.merge(session)
            except SqlError as error:
                errors.append(error)
            finally:
                session.close()

        threads = [threading.Thread(target=repeat) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(10):
            self.land(str(number), file_of(rows[number * 6 : number * 6 + 6]))
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.merge()
        self.model.merge(rows)
        self.assert_model()
        self.assertEqual(self.landed(), 0)

    def old_snapshot(self, texts):
        """Runs statements in a transaction that sees the tables from before another merge, as one that overlaps may."""
        row = order("a:1", 1)
        self.land("one", file_of([row]))
        self.model.merge([row])
        other = self.connect()
        other.execute("BEGIN TRANSACTION")
        other.execute("INSERT INTO landing SELECT * FROM landing WHERE 1 = 0")
        self.merge()
        try:
            for text in texts:
                other.execute(text)
        except SqlError:
            # Snowflake makes it wait at its turn, the engine below the fake refuses it there. Neither goes on.
            pass
        other.close()

    def test_a_merge_never_works_on_a_table_from_before_another_merge(self):
        # Without the cleaning, at which the engine below the fake would refuse it too.
        self.old_snapshot([TURN, MERGED, "COMMIT"])
        self.assert_model()

    def test_without_its_turn_it_would_insert_a_key_twice_and_the_count_of_duplicates_tells(self):
        self.old_snapshot([MERGED, "COMMIT"])
        ((flow, held, _, duplicates, checksum),) = self.shipped("21_reconcile_flows.sql")
        self.assertEqual((flow, held, duplicates), ("orders-amazon", 2, 1))
        self.assertNotEqual(checksum, self.model.flows()[0][4])


class Walks(Bench):
    """Whatever is done in whatever order, one whole merge at the end makes the table the model's."""

    STEPS = 30

    def walk(self, seed):
        rng = random.Random(seed)
        self.setUp()
        unread, read = [], []
        cursors = {}
        for step in range(self.STEPS):
            match rng.choice(["write", "write", "read", "read", "again", "step", "step", "step", "cut", "whole"]):
                case "write":
                    unread.append((f"{step:02}", [self.a_row(rng) for _ in range(rng.randrange(1, 5))]))
                case "read" if unread:
                    file = unread.pop(rng.randrange(len(unread)))
                    self.land(file[0], file_of(file[1]))
                    read.append(file)
                case "again" if read:
                    file = rng.choice(read)
                    if rng.random() < 0.5:
                        self.warehouse.load_history.clear()
                    self.land(file[0], file_of(file[1]))
                case "step":
                    name = rng.choice("AB")
                    position = cursors.get(name, 0)
                    self.sql((TURN, MERGED, CLEANED)[position])
                    cursors[name] = (position + 1) % 3
                case "cut":
                    cursors[rng.choice("AB")] = rng.randrange(3)
                case "whole":
                    self.merge()
                    self.assertEqual(self.unsound(), [])
        for name, rows in unread:
            self.land(name, file_of(rows))
            read.append((name, rows))
        self.merge()
        for _, rows in read:
            self.model.merge(rows)
        self.assert_model()
        self.assertEqual(self.landed(), 0)

    @staticmethod
    def a_row(rng):
        row = order(
            f"m:{rng.randrange(3)}",
            rng.randrange(3),
            rng.randrange(1, 3),
            rng.randrange(2),
            flow=rng.choice(["orders-amazon", "returns"]),
        )
        # What a version holds is the same in every file, as it is at the source.
        return gone(row) if (row.source + row.revision + row.read) % 4 == 0 else replace(row)


# A test for each seed, so that a failure names it.
for number in range(8):
    setattr(Walks, f"test_a_walk_of_seed_{number}", lambda self, seed=number: self.walk(seed))


if __name__ == "__main__":
    unittest.main()
