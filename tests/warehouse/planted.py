"""Breaks each piece of the shipped SQL on purpose, one at a time, and says which tests notice.

    python3 planted.py [number …]

Ends with 1 when a break goes unnoticed: then a test is missing, or the piece is not needed.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SQL = HERE.parents[1] / "infra" / "snowflake"

GREATER = "l.source_version > r.source_version\n"
# (file, what stands there, what is put instead)
BREAKS = [
    ("11_merge.sql", "l.read_number > r.read_number", "l.read_number >= r.read_number"),
    ("11_merge.sql", "l.read_number = r.read_number\n      AND l.loaded_from", "l.loaded_from"),
    ("11_merge.sql", GREATER, GREATER.replace(">", ">=")),
    ("11_merge.sql", GREATER, GREATER.replace(">", "<")),
    ("11_merge.sql", "  OR (l.source_version = r.source_version AND l.revision > r.revision)\n", ""),
    (
        "11_merge.sql",
        "  OR (l.source_version = r.source_version AND l.revision = r.revision AND l.read_number > r.read_number)\n",
        "",
    ),
    ("11_merge.sql", "l.source_version = r.source_version AND l.revision > r.revision", "l.revision > r.revision"),
    (
        "11_merge.sql",
        "l.source_version = r.source_version AND l.revision = r.revision AND l.read_number",
        "l.read_number",
    ),
    ("11_merge.sql", r"re:  QUALIFY.*?= 1\n", ""),
    ("11_merge.sql", "ORDER BY source_version DESC", "ORDER BY source_version"),
    ("11_merge.sql", "revision DESC, read_number DESC", "read_number DESC, revision DESC"),
    ("11_merge.sql", "read_number DESC, loaded_from DESC", "loaded_from DESC"),
    ("11_merge.sql", "loaded_from DESC, file_row DESC", "loaded_from, file_row DESC"),
    ("11_merge.sql", "loaded_from DESC, file_row DESC", "loaded_from DESC, file_row"),
    ("11_merge.sql", "l.loaded_from > r.loaded_from", "l.loaded_from >= r.loaded_from"),
    ("11_merge.sql", "l.loaded_from > r.loaded_from", "FALSE"),
    ("11_merge.sql", "  loaded_from = l.loaded_from,\n", ""),
    ("11_merge.sql", "PARTITION BY flow, record_key", "PARTITION BY record_key"),
    ("11_merge.sql", "ON r.flow = l.flow AND r.record_key", "ON r.record_key"),
    ("11_merge.sql", "  WHERE digest = digest_now\n", ""),
    ("11_merge.sql", "  revision = l.revision,\n", ""),
    ("11_merge.sql", "  deleted = l.deleted,\n", ""),
    ("11_merge.sql", "  content = l.content,\n", ""),
    ("11_merge.sql", "  content_hash = l.content_hash,\n", ""),
    ("11_merge.sql", "  digest = l.digest,\n", ""),
    ("11_merge.sql", "  fields = l.fields,\n", ""),
    ("11_merge.sql", "UPDATE &{database}.&{schema}.merge_turn SET turns = turns + 1", "SELECT 1"),
    ("11_merge.sql", r"re:DELETE FROM.*?;\n", "DELETE FROM &{database}.&{schema}.landing;\n"),
    ("11_merge.sql", "    r.source_version > landing.source_version\n", "    TRUE\n"),
    ("11_merge.sql", "    r.source_version > landing.source_version\n", "    FALSE\n"),
    ("11_merge.sql", "r.read_number > landing", "r.read_number >= landing"),
    ("11_merge.sql", "r.loaded_from >= SPLIT", "r.loaded_from > SPLIT"),
    ("11_merge.sql", "r.loaded_from >= SPLIT", "r.loaded_from <= SPLIT"),
    ("11_merge.sql", "SPLIT_PART(landing.file_name, '/', -1)", "landing.file_name"),
    ("02_objects.sql", "SPLIT_PART(l.file_name, '/', -1)", "l.file_name"),
    (
        "11_merge.sql",
        "r.source_version = landing.source_version AND r.revision > landing.revision",
        "r.revision > landing.revision",
    ),
    (
        "11_merge.sql",
        "r.source_version = landing.source_version AND r.revision = landing.revision\n",
        "r.source_version = landing.source_version\n",
    ),
    ("11_merge.sql", "WHERE r.flow = landing.flow AND r.record_key", "WHERE r.record_key"),
    ("11_merge.sql", "BEGIN TRANSACTION;\n", "SELECT 1;\n"),
    ("02_objects.sql", "source_version NUMBER(20, 0)", "source_version NUMBER(18, 0)"),
    ("02_objects.sql", "LPAD(l.source_version::VARCHAR, 20, '0')", "l.source_version::VARCHAR"),
    ("02_objects.sql", "LPAD(r.read_number::VARCHAR, 20, '0')", "r.read_number::VARCHAR"),
    ("02_objects.sql", "IFF(r.deleted, '1', '0') || CHR(10) ||", ""),
    ("02_objects.sql", "COALESCE(l.content, '')", "l.content"),
    ("02_objects.sql", "COALESCE(r.content, '')", "r.content"),
    ("02_objects.sql", "TRY_PARSE_JSON(l.content) AS fields", "PARSE_JSON(l.content) AS fields"),
    ("02_objects.sql", "TRY_PARSE_JSON(l.content) AS fields", "NULL::VARIANT AS fields"),
    ("02_objects.sql", "SUBSTR(SHA2(r.record_key, 256), 1, 2)", "SUBSTR(SHA2(r.record_key, 256), 1, 3)"),
    ("02_objects.sql", " AND NOT deleted;", ";"),
    ("02_objects.sql", "TRY_TO_DECIMAL(fields:total", "TO_DECIMAL(fields:total"),
    ("02_objects.sql", "WHERE STARTSWITH(flow, 'orders-')", "WHERE TRUE"),
    ("02_objects.sql", "STARTSWITH(flow, 'orders-')", "flow = 'orders-amazon'"),
    ("04_grants.sql", "GRANT REFERENCES ON VIEW", "GRANT SELECT ON VIEW"),
    ("12_columns.sql", "'RECORDS', ?", "'RECORDS'"),
    ("12_columns.sql", "table_schema = '&{schema}' AND ", ""),
    ("02_objects.sql", "WHERE NOT EXISTS (SELECT 1 FROM &{database}.&{schema}.merge_turn)", ""),
    ("03_pipe.sql", "$1:content::VARCHAR", "LOWER($1:content::VARCHAR)"),
    ("03_pipe.sql", "    METADATA$FILE_ROW_NUMBER", "    1"),
    ("03_pipe.sql", "ON_ERROR = 'SKIP_FILE'", "ON_ERROR = 'CONTINUE'"),
    ("03_pipe.sql", "'.*[.]jsonl[.]gz'", "'.*'"),
    ("04_grants.sql", "GRANT SELECT, DELETE", "GRANT SELECT, INSERT, DELETE"),
    ("04_grants.sql", "GRANT SELECT, INSERT, UPDATE", "GRANT SELECT, INSERT"),
    ("21_reconcile_flows.sql", "SUM(TO_NUMBER", "MAX(TO_NUMBER"),
    ("21_reconcile_flows.sql", "digest_now, 1, 15", "digest, 1, 15"),
    ("21_reconcile_flows.sql", "COUNT_IF(deleted)", "COUNT_IF(NOT deleted)"),
    ("21_reconcile_flows.sql", "COUNT(*) - COUNT(DISTINCT record_key)", "0"),
    ("22_reconcile_buckets.sql", "digest_now, 1, 15", "digest_now, 2, 15"),
    ("23_reconcile_rows.sql", "record_key > ?", "record_key >= ?"),
    ("23_reconcile_rows.sql", "flow = ? AND bucket = ?", "(flow = ? OR bucket = ?)"),
    ("24_unsound.sql", "    digest <> digest_now\n", "    FALSE\n"),
    ("24_unsound.sql", "    OR TO_JSON(fields) IS DISTINCT FROM TO_JSON(fields_now)\n", ""),
    ("24_unsound.sql", "    OR deleted <> (fields IS NULL)\n", ""),
    ("24_unsound.sql", "AND digest <> digest_now\n", "AND FALSE\n"),
    ("24_unsound.sql", "WHERE flow = ?\n", "WHERE flow = ? OR TRUE\n"),
    ("24_unsound.sql", "WHERE flow = ? AND digest", "WHERE (flow = ? OR TRUE) AND digest"),
    ("31_files_not_loaded.sql", "SPLIT_PART(file_name, '/', -2) = ? AND ", "? = ? OR "),
    ("33_landing_age.sql", "MIN(landed_at)", "NULL"),
]


def broken(text, old, new):
    if old.startswith("re:"):
        result, count = re.subn(old[3:], lambda _: new, text, count=1, flags=re.S)
    else:
        result, count = text.replace(old, new, 1), text.count(old)
    if count == 0:
        raise ValueError(f"it no longer stands there: {old!r}")
    return result


def noticed(file, old, new):
    """The tests that fail when the piece is broken."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tests, sql = root / "tests" / "warehouse", root / "infra" / "snowflake"
        shutil.copytree(HERE, tests, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(SQL, sql)
        # A test compares the view with these, and would fail without them whatever is broken.
        shutil.copytree(SQL.parent / "flows" / "examples", root / "infra" / "flows" / "examples")
        (sql / file).write_text(broken((SQL / file).read_text(), old, new))
        # The double's own tests know the API and not the SQL, and are left out.
        command = [sys.executable, "-m", "unittest", "-f", "test_shipped", "test_reconcile", "test_merge"]
        ran = subprocess.run(command, cwd=tests, capture_output=True, text=True)
        found = re.findall(r"^(?:FAIL|ERROR): (\S+)", ran.stderr, re.M)
        return found or ([] if ran.returncode == 0 else ["the tests do not start"])


def main(numbers):
    unnoticed = 0
    for number, (file, old, new) in enumerate(BREAKS):
        if numbers and number not in numbers:
            continue
        tests = noticed(file, old, new)
        unnoticed += not tests
        print(
            f"{number:2} {file}: {old.strip()[:60]!r} -> {new.strip()[:40]!r}: {tests[0] if tests else 'UNNOTICED'}",
            flush=True,
        )
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main({int(number) for number in sys.argv[1:]}))
