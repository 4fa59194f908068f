"""Snowflake's tables, transactions, locks and pipe on top of fakesnow.

What is modelled beyond fakesnow, and how far:
- A statement is atomic. fakesnow runs a MERGE as several; here they are one transaction.
- UPDATE, DELETE and MERGE lock their target table until the transaction ends, and a second one waits; INSERT and the
  pipe do not (docs.snowflake.com/en/sql-reference/transactions, "Resource locking"). A session that breaks off gives
  its locks back at once, where Snowflake may keep them for 5 idle minutes.
- Isolation: READ COMMITTED per statement outside of a transaction. Within one, DuckDB's snapshot begins with the first
  statement that changes something, after its lock is held; Snowflake would show later commits to later statements.
  So tests that need those run the statements one by one.
- The pipe: each file once by its name; SKIP_FILE, the only ON_ERROR that is modelled, reads a file whole or not at all.
  A file that failed is tried again when it is announced again.
- COPY_HISTORY: a file's name, its status and its error, of any time and for the one table; its rows are not counted.
"""

import datetime
import gzip
import logging
import re
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import fakesnow.transforms
import sqlglot
from fakesnow.instance import FakeSnow
from fakesnow.rowtype import describe_as_rowtype
from snowflake.connector.errors import Error as SnowflakeError
from sqlglot import exp

import shipped

# fakesnow copies rows through Arrow and says so each time; it matters at no size that a test has.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")

# A lock that is not free by then is a deadlock of the test: no statement here takes a second.
LOCK_SECONDS = 20.0

# sqlglot warns of each statement that it keeps as text; test_shipped.py says which may be.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

# The table function with its named arguments, which hold at most calls of functions without parentheses in them.
COPY_HISTORY = re.compile(
    r"TABLE\(\w+\.INFORMATION_SCHEMA\.COPY_HISTORY\((?:[^()]|\((?:[^()]|\(\))*\))*\)\)", re.IGNORECASE
)

_to_decimal = fakesnow.transforms.to_decimal


def _to_number_of_hex(expression):
    """TO_NUMBER(text, 'XXX…'), which fakesnow does not have."""
    if isinstance(expression, exp.ToNumber):
        format_ = expression.args.get("format")
        if format_ is not None and format_.is_string and set(format_.name) == {"X"}:
            prefixed = exp.DPipe(this=exp.Literal.string("0x"), expression=expression.this, safe=True)
            return exp.Cast(this=prefixed, to=exp.DataType.build("HUGEINT", dialect="duckdb"))
    return _to_decimal(expression)


_extract_comment = fakesnow.transforms.extract_comment_on_table


def _no_comment_of_candidates(expression):
    """fakesnow notes an empty comment for the temporary table of a MERGE, in another database, which DuckDB refuses
    within a transaction that has changed something."""
    if isinstance(expression, exp.Create) and expression.this.name == "MERGE_CANDIDATES":
        return expression
    return _extract_comment(expression)


fakesnow.transforms.to_decimal = _to_number_of_hex
fakesnow.transforms.extract_comment_on_table = _no_comment_of_candidates


class SqlError(Exception):
    """What Snowflake would answer to a statement: number, SQL state, message."""

    def __init__(self, code, sql_state, message):
        super().__init__(message)
        self.code, self.sql_state, self.message = code, sql_state, message


@dataclass
class Result:
    columns: list
    rows: list
    # What a DML statement changed, by kind: inserted, updated, deleted.
    changed: dict = field(default_factory=dict)


class Warehouse:
    def __init__(self):
        self._fake = FakeSnow()
        # One statement at a time in the engine; waiting for a table's lock happens outside of it.
        self.engine = threading.RLock()
        self._locks = threading.Condition()
        self._held = {}
        self.pipes = {}
        self.load_history = {}
        self.not_run = []

    def session(self, database=None, schema=None):
        with self.engine:
            return Session(self, self._fake.connect(database=database, schema=schema))

    def set_up(self, texts):
        """Runs statements as the owner would; those that the fake cannot run are parsed and noted with the reason."""
        session = self.session()
        for text in texts:
            if pipe := re.match(r"CREATE PIPE (?:IF NOT EXISTS )?(\S+).*?\bAS\s+(COPY INTO .*)", text, re.S | re.I):
                self.pipes.setdefault(pipe.group(1).upper(), Pipe(self, pipe.group(2)))
            if reason := shipped.why_not_in_fake(text):
                self.not_run.append((text, reason))
            else:
                session.execute(text)
        session.close()

    def take(self, table, session):
        until = time.monotonic() + LOCK_SECONDS
        with self._locks:
            while self._held.get(table, session) is not session:
                if not self._locks.wait(until - time.monotonic()):
                    raise SqlError("000625", "57014", f"Statement has locked table {table} in another transaction")
            self._held[table] = session

    def let_go(self, session):
        with self._locks:
            self._held = {table: by for table, by in self._held.items() if by is not session}
            self._locks.notify_all()

    def ingest(self, pipe, files):
        """Announces files to a pipe, as (name, bytes); answers what became of each."""
        return [(name, self.pipes[pipe.upper()].read(name, data)) for name, data in files]

    def ingest_folder(self, pipe, folder, names=None):
        """Announces the files of a folder that stands for the stage, in the order of their names or as given."""
        root = Path(folder)
        found = names or sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return self.ingest(pipe, [(name, (root / name).read_bytes()) for name in found])


class Session:
    """One connection. BEGIN is remembered and takes effect with the first statement that changes something."""

    def __init__(self, warehouse, connection):
        self._warehouse, self._connection = warehouse, connection
        self._begun = self._open = False

    def execute(self, text, binds=None):
        try:
            parsed = sqlglot.parse_one(text, read="snowflake")
        except sqlglot.errors.ParseError as error:
            raise SqlError("001003", "42000", f"SQL compilation error: {error}") from None
        if isinstance(parsed, exp.Transaction):
            self._begun = True
            return Result([], [])
        if isinstance(parsed, (exp.Commit, exp.Rollback)):
            self._end("COMMIT" if isinstance(parsed, exp.Commit) else "ROLLBACK")
            return Result([], [])
        changes = isinstance(parsed, (exp.Merge, exp.Update, exp.Delete, exp.Insert))
        if changes and not isinstance(parsed, exp.Insert):
            target = parsed.find(exp.Table)
            self._warehouse.take(".".join(part.name.upper() for part in target.parts), self)
        try:
            if changes and not self._open:
                self._run("BEGIN TRANSACTION")
                self._open = True
            result = self._run(text, binds)
        except SqlError:
            if not self._begun:
                self._end("ROLLBACK")
            raise
        if not self._begun:
            self._end("COMMIT")
        return result

    def close(self):
        """A session that ends with an open transaction loses it."""
        self._end("ROLLBACK")
        with self._warehouse.engine:
            self._connection.close()

    def _end(self, how):
        if self._open:
            self._run(how)
        self._begun = self._open = False
        self._warehouse.let_go(self)

    def _run(self, text, binds=None):
        with self._warehouse.engine:
            text = self._with_copy_history(text)
            cursor = self._connection.cursor()
            try:
                cursor.execute(text, binding_params=binds) if binds else cursor.execute(text)
                rows = cursor.fetchall()
                columns = describe_as_rowtype(cursor._describe_last_sql())
            except SnowflakeError as error:
                raise SqlError(f"{error.errno or 0:06}", error.sqlstate or "42000", error.msg or str(error)) from error
            except Exception as error:
                # What DuckDB refuses while a row is computed (a cast, NOT NULL) reaches us as its own error.
                raise SqlError("100038", "22018", str(error)) from error
        changed = {
            column["name"].removeprefix("number of rows "): int(value)
            for column, value in zip(columns, rows[0] if rows else [])
            if column["name"].startswith("number of rows ")
        }
        return Result(columns, rows, changed)

    def _with_copy_history(self, text):
        """The table function of the load history as a table that holds it (docs.snowflake.com/en/sql-reference/
        functions/copy_history)."""
        if not COPY_HISTORY.search(text):
            return text
        duck = self._connection._duck_conn
        duck.execute(
            "CREATE OR REPLACE TEMP TABLE COPY_HISTORY_ROWS (FILE_NAME VARCHAR, STATUS VARCHAR, ROW_PARSED BIGINT,"
            " ROW_COUNT BIGINT, ERROR_COUNT BIGINT, FIRST_ERROR_MESSAGE VARCHAR, FIRST_ERROR_LINE_NUMBER BIGINT,"
            " LAST_LOAD_TIME TIMESTAMPTZ)"
        )
        for name, outcome in self._warehouse.load_history.items():
            status, _, error = outcome.partition(": ")
            now = datetime.datetime.now(datetime.timezone.utc)
            row = [name, status, 0, 0, int(bool(error)), error or None, None, now]
            duck.execute("INSERT INTO COPY_HISTORY_ROWS VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        return COPY_HISTORY.sub("COPY_HISTORY_ROWS", text)

    def load_lines(self, name, lines):
        """Puts the lines of one file where the pipe's SELECT reads them."""
        with self._warehouse.engine:
            duck = self._connection._duck_conn
            duck.execute(
                "CREATE OR REPLACE TEMP TABLE STAGED_FILE (LINE JSON, FILE VARCHAR, ROW_NUMBER BIGINT, SCANNED TIMESTAMPTZ)"
            )
            now = datetime.datetime.now(datetime.timezone.utc)
            duck.execute(
                "INSERT INTO STAGED_FILE SELECT unnest(?::VARCHAR[])::JSON, ?, unnest(?::BIGINT[]), ?",
                [lines, name, list(range(1, len(lines) + 1)), now],
            )


class Pipe:
    """The COPY of a CREATE PIPE, run for one file."""

    COLUMNS = {
        "METADATA$FILENAME": "FILE",
        "METADATA$FILE_ROW_NUMBER": "ROW_NUMBER",
        "METADATA$START_SCAN_TIME": "SCANNED",
    }

    def __init__(self, warehouse, text):
        copy = sqlglot.parse_one(text, read="snowflake")
        options = {param.name.upper(): param.expression.name for param in copy.args["params"]}
        if options.get("ON_ERROR", "").upper() != "SKIP_FILE":
            raise ValueError("only ON_ERROR = SKIP_FILE is modelled")
        self._pattern = re.compile(options["PATTERN"])
        self._warehouse = warehouse
        self.history = warehouse.load_history
        self._insert = f"INSERT INTO {copy.this.sql('snowflake')} {self._select(copy).sql('snowflake')}"

    def _select(self, copy):
        def ours(node):
            if isinstance(node, exp.Parameter) and node.name == "1":
                return exp.column("LINE")
            if isinstance(node, exp.Column) and node.name.upper() in self.COLUMNS:
                return exp.column(self.COLUMNS[node.name.upper()])
            if isinstance(node, exp.Table):
                return exp.to_table("STAGED_FILE")
            return node

        return copy.args["files"][0].this.transform(ours)

    def read(self, name, data):
        if not self._pattern.fullmatch(name):
            return "not of the pattern"
        if self.history.get(name) == "Loaded":
            return "loaded before"
        table = re.match(r"INSERT INTO (\w+)\.(\w+)\.", self._insert)
        session = self._warehouse.session(*table.groups())
        try:
            lines = [line for line in gzip.decompress(data).decode("utf-8").split("\n") if line.strip()]
            session.load_lines(name, lines)
            session.execute(self._insert)
            self.history[name] = "Loaded"
        except Exception as error:
            # Whatever is wrong with a file skips this file alone.
            self.history[name] = f"Load failed: {error}"
        finally:
            session.close()
        return self.history[name]
