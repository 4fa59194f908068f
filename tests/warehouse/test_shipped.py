"""What ships is whole: it parses, its placeholders are known, its grants are what its statements need."""

import re
import unittest

import sqlglot
from sqlglot import exp

import shipped
from bench import SETUP, warehouse

RUN_BY_THE_FUNCTION = [name for name in shipped.files() if name not in SETUP]


class Shipped(unittest.TestCase):
    def all(self):
        return [(file, text) for file in shipped.files() for text in shipped.statements(file)]

    def test_every_statement_parses_and_those_kept_as_text_are_account_statements(self):
        kept = {
            " ".join(text.split()[:2])
            for _, text in self.all()
            if isinstance(sqlglot.parse_one(text, read="snowflake"), exp.Command)
        }
        self.assertEqual(kept, {"CREATE ROLE", "CREATE USER", "CREATE PIPE", "GRANT ROLE", "GRANT MONITOR"})

    def test_a_statement_is_run_by_the_fake_or_has_a_reason(self):
        noted = {text for text, _ in warehouse().not_run}
        for file, text in self.all():
            if file in SETUP:
                self.assertEqual(text in noted, shipped.why_not_in_fake(text) is not None)
        unused = [
            pattern
            for pattern, _ in shipped.NOT_IN_FAKE
            if not any(re.match(pattern, text, re.I) for _, text in self.all())
        ]
        self.assertEqual(unused, [])

    def test_setting_up_twice_is_setting_up_once(self):
        for file in SETUP:
            warehouse().set_up(shipped.statements(file))
        session = warehouse().session("TIDEGATE", "MARKET")
        self.assertEqual(session.execute("SELECT COUNT(*) FROM merge_turn").rows, [(1,)])
        session.close()

    def test_the_placeholders_are_the_names_and_each_is_used(self):
        used = {
            name
            for file in shipped.files()
            for name in shipped.PLACEHOLDER.findall((shipped.FOLDER / file).read_text())
        }
        self.assertEqual(used, set(shipped.NAMES))

    def test_a_value_that_could_end_its_place_is_refused(self):
        for value in ("a; DROP TABLE b", "a'b", 'a"b', "a b", "", "a\n"):
            with self.assertRaises(ValueError):
                shipped.put_in("&{name}", {"name": value})

    def test_a_missing_name_is_refused(self):
        with self.assertRaises(KeyError):
            shipped.put_in("&{name}", {})

    def test_statements_part_at_semicolons_and_nowhere_else(self):
        """So that any client may split a file in the simple way."""
        for file in shipped.files():
            text = (shipped.FOLDER / file).read_text()
            self.assertEqual(re.findall(r"--[^\n]*;", text), [], file)
            self.assertEqual(re.findall(r"'[^'\n]*(?:;|--)[^'\n]*'", re.sub(r"--[^\n]*", "", text)), [], file)
            self.assertTrue(text.endswith(";\n"), file)
            self.assertEqual(
                len(sqlglot.parse(shipped.put_in(text, shipped.NAMES), read="snowflake")), len(shipped.statements(file))
            )

    def test_the_load_role_may_do_what_its_statements_need_and_nothing_else(self):
        granted = set()
        for text in shipped.statements("04_grants.sql"):
            match = re.fullmatch(r"GRANT (.+) ON (TABLE|VIEW) (\S+) TO ROLE TIDEGATE_LOAD", text)
            if match:
                granted |= {(privilege, match.group(3).split(".")[2]) for privilege in match.group(1).split(", ")}
        # What of the view is seen is its columns, and the statement that asks for them names it in a binding.
        needed = {("REFERENCES", "orders")}
        for file in RUN_BY_THE_FUNCTION:
            for text in shipped.statements(file):
                if not shipped.why_not_in_fake(text):
                    needed |= needs(sqlglot.parse_one(text, read="snowflake"))
        self.assertEqual(granted, needed)

    def test_only_the_grants_name_the_load_role_beside_the_account(self):
        for file in shipped.files():
            if file not in ("01_account.sql", "04_grants.sql"):
                self.assertNotIn("&{load_role}", (shipped.FOLDER / file).read_text())

    def test_the_page_is_short_and_names_every_file(self):
        page = (shipped.FOLDER / "README.md").read_text()
        self.assertLessEqual(len(page.splitlines()), 40)
        for file in shipped.files():
            self.assertIn(file, page)


def is_ours(table):
    """Whether it is an object, and neither a name within the statement nor a part of the information schema."""
    return bool(table.args.get("db")) and table.args["db"].name != "INFORMATION_SCHEMA"


def needs(statement):
    """The privileges on tables and views that a statement needs, as (privilege, name)."""
    found = {("SELECT", table.name) for table in statement.find_all(exp.Table) if is_ours(table)}
    target = statement.find(exp.Table)
    if isinstance(statement, exp.Merge):
        found |= {("INSERT", target.name), ("UPDATE", target.name)}
    if isinstance(statement, exp.Update):
        found.add(("UPDATE", target.name))
    if isinstance(statement, exp.Delete):
        found.add(("DELETE", target.name))
    return found


if __name__ == "__main__":
    unittest.main()
