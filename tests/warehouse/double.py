"""A double of Snowflake's SQL API over HTTP, on 127.0.0.1, for tests of a client.

    python3 double.py --account ACCOUNT --user USER --public-key FILE.pem [--setup] [--watch FOLDER] [--port N]

It prints `port N` when it is ready. --setup creates the objects of infra/snowflake with the names in shipped.py.
--watch announces the files of a folder to the pipe every second, as a bucket's notifications do.
Each rule that it holds to stands in RULES, with the page it comes from and the request that it refuses.
The numbers 000008, 000604, 000709, 333334, 390142, 390144, 390303, 390505, 391903 and 391911 are the vendor's. The
others stand in for numbers that the pages do not give, so a client decides by the status.

Beside the API it answers, without a token:
  POST /_double/behaviour   a JSON object of what Behaviour names, for the calls that follow
  POST /_double/ingest      {"folder": F, "files": [names]} or {"endpoint": URL, "bucket": B, "prefix": P}, for the pipe
  POST /_double/sql         {"statement": S}: rows, as the owner of all
  GET  /_double/log         the calls of the API so far
"""

import argparse
import base64
import datetime
import decimal
import gzip
import hashlib
import json
import re
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

import shipped
from fake import SqlError, Warehouse

DOCS = "docs.snowflake.com/en/"
AUTH = DOCS + "developer-guide/sql-api/authenticating"
SUBMIT = DOCS + "developer-guide/sql-api/submitting-requests"
REFERENCE = DOCS + "developer-guide/sql-api/reference"
MULTIPLE = DOCS + "developer-guide/sql-api/submitting-multiple-statements"
RESPONSES = DOCS + "developer-guide/sql-api/handling-responses"
ERRORS = DOCS + "developer-guide/sql-api/handling-errors"
RETRY = SUBMIT + "#label-sql-api-generating-request-id"
LIMITS = DOCS + "developer-guide/sql-api/intro"
SUBJECT = DOCS + "release-notes/bcr-bundles/2025_06/bcr-2077"

# id: (rule, source, the request that it refuses)
RULES = {
    "bearer": ("a token is sent as a bearer token", AUTH, "no Authorization header, or another scheme"),
    "token-type": (
        "a key-pair token is named KEYPAIR_JWT, or not named",
        REFERENCE,
        "another type: the double knows no OAuth",
    ),
    "jwt-form": ("a JWT of three parts, signed with RS256", AUTH, "another algorithm, among them none, or other text"),
    "jwt-signature": ("it is signed with a key of the user", AUTH, "a signature that a registered key does not verify"),
    "jwt-issuer": (
        "iss is ACCOUNT.USER.SHA256:fingerprint, upper case, hyphens for periods within the account",
        AUTH,
        "lower case, a region, another key's print",
    ),
    "jwt-subject": ("sub is ACCOUNT.USER, upper case, not empty", SUBJECT, "an empty subject, or one with the print"),
    "jwt-times": (
        "now lies between iat and exp and within an hour of iat, both in seconds or milliseconds",
        AUTH,
        "an expired token, or one issued later",
    ),
    "user-agent": ("User-Agent is required", REFERENCE, "a request without User-Agent (391903)"),
    "accept": ("Accept is required and takes JSON", REFERENCE, "no Accept header, or one without application/json"),
    "content-type": ("a body is application/json, or not named", REFERENCE, "another content type (415)"),
    "request-id": ("requestId is a UUID", REFERENCE, "another text as requestId"),
    "body": (
        "the body is an object with a statement",
        REFERENCE,
        "other JSON, no statement, a timeout that is no number",
    ),
    "context": (
        "names are those that SHOW tells, case included",
        SUBMIT,
        "a database, schema, warehouse or role in lower case",
    ),
    "binding": (
        "a binding has a type and a string value",
        SUBMIT,
        "a number as value, an unknown type, a gap in the numbers",
    ),
    "multiple": (
        "MULTI_STATEMENT_COUNT is the number of statements, 1 if absent, 0 for any",
        MULTIPLE,
        "two statements with neither",
    ),
    "multiple-bound": ("several statements take no bindings", SUBMIT, "bindings with more than one statement"),
    "alone": (
        "session and transaction commands need several statements",
        LIMITS,
        "BEGIN, COMMIT, USE or SET alone (391911)",
    ),
    "never": ("PUT and GET are not for this API", LIMITS, "PUT or GET"),
    "handle": (
        "a status is asked by a handle that was given",
        REFERENCE,
        "an unknown handle (000709), an unknown partition",
    ),
    "endpoint": ("there are three endpoints", REFERENCE, "another path (404)"),
    "method": ("the endpoints have one method each", REFERENCE, "GET /api/v2/statements and the like (405)"),
}

TYPES = {"FIXED", "REAL", "TEXT", "BINARY", "BOOLEAN", "DATE", "TIME", "TIMESTAMP_TZ", "TIMESTAMP_LTZ", "TIMESTAMP_NTZ"}
HOUR = 3600
# The year 5138: a greater time is in milliseconds.
LAST_SECOND = 10**11
ALONE = re.compile(r"\s*(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|USE|SET|ALTER\s+SESSION)\b", re.IGNORECASE)
IN_PROGRESS = "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."
# Bodies of this API hold SQL of a few kilobytes; more is a client's mistake.
BODY_BYTES = 1 << 20


class Refused(Exception):
    def __init__(self, status, rule, code, message, sql_state=None, handle=None):
        super().__init__(message)
        self.status, self.rule = status, rule
        self.body = {"code": code, "message": message}
        if sql_state:
            self.body |= {"sqlState": sql_state, "statementHandle": handle or str(uuid.uuid4())}


@dataclass
class Behaviour:
    # Every nth statement is answered 202 first; 0: none is.
    every_nth_202: int = 0
    # Polls that are answered 202 before the result is.
    polls: int = 1
    # Whether a statement that is answered 202 takes effect when it is submitted or at the poll that ends it.
    # Both are real: a client must neither count on an effect after a 202 nor on none.
    runs_at_poll: bool = False
    # The next calls that are refused, and how.
    refuse: int = 0
    refuse_status: int = 429
    # The next statements that run and whose answer is lost: the connection closes instead.
    lose: int = 0
    # The next statements that take longer than their timeout: 408, without effect.
    time_out: int = 0
    partition_rows: int = 1000


class Compressed(dict):
    """A body that is sent in gzip, whatever the client accepts."""


class Statement:
    def __init__(self, run):
        self.handle = str(uuid.uuid4())
        self.created = int(time.time() * 1000)
        self.parts = []
        self.polls_left = 0
        self._run = run
        self._done = None
        self._once = threading.Lock()

    def answer(self):
        """The status and body of the ended statement; it runs here if it has not run yet."""
        with self._once:
            if self._done is None:
                self._done = self._run(self)
            return self._done

    def failed(self):
        return self._done is not None and self._done[0] != 200

    def cancel(self):
        with self._once:
            if self._done is not None:
                return False
            self._done = (422, {"code": "000604", "sqlState": "57014", "message": "SQL execution canceled"})
            return True


def verify(token, keys, account, user, now):
    """The rules of a key-pair token; `keys` are the user's public keys."""

    def refuse(rule):
        raise Refused(401, rule, "390144", f"JWT token is invalid. [{uuid.uuid4()}]")

    def part(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(part(head)), json.loads(part(body))
        signature = part(signature)
    except ValueError:
        refuse("jwt-form")
    if header.get("alg") != "RS256":
        refuse("jwt-form")
    for key in keys:
        try:
            key.verify(signature, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
            break
        except InvalidSignature:
            continue
    else:
        refuse("jwt-signature")
    name = f"{account.replace('.', '-')}.{user}".upper()
    if claims.get("iss") != f"{name}.{fingerprint(key)}":
        refuse("jwt-issuer")
    if claims.get("sub") != name:
        refuse("jwt-subject")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not all(type(value) is int for value in (issued, expires)):
        refuse("jwt-times")
    issued, expires = (value // 1000 if value > LAST_SECOND else value for value in (issued, expires))
    if not issued <= now < min(expires, issued + HOUR):
        refuse("jwt-times")


def fingerprint(key):
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


class Double:
    def __init__(self, keys, account, user, names=shipped.NAMES, clock=time.time):
        self.keys, self.account, self.user, self.names, self.clock = keys, account, user, names, clock
        self.warehouse = Warehouse()
        self.behaviour = Behaviour()
        self.log = []
        self.statements = {}
        self._by_request = {}
        self._count = 0
        self._lock = threading.Lock()

    def set_up(self):
        for file in ("01_account.sql", "02_objects.sql", "03_pipe.sql", "04_grants.sql"):
            self.warehouse.set_up(shipped.statements(file, self.names))

    def pipe(self):
        return f"{self.names['database']}.{self.names['schema']}.LANDING_PIPE"

    # The API

    def call(self, method, path, query, headers, raw, entry):
        """Status and body of one call. `entry` is its line in the log."""
        with self._lock:
            if self.behaviour.refuse > 0:
                self.behaviour.refuse -= 1
                return self.behaviour.refuse_status, {"code": "390505", "message": "Too many requests."}
        self._check_headers(method, headers)
        if path == "/api/v2/statements":
            self._only(method, "POST")
            return self._submit(query, self._body(raw), entry)
        match = re.fullmatch(r"/api/v2/statements/([^/]+)(/cancel)?", path)
        if not match:
            raise Refused(404, "endpoint", "390404", "Not found")
        self._only(method, "POST" if match.group(2) else "GET")
        statement = self.statements.get(match.group(1))
        if statement is None:
            message = f"Statement {match.group(1)} not found"
            raise Refused(422, "handle", "000709", message, "02000", match.group(1))
        entry["handle"] = statement.handle
        return self._cancel(statement) if match.group(2) else self._poll(statement, query)

    def _only(self, method, allowed):
        if method != allowed:
            raise Refused(405, "method", "390405", f"{method} is not allowed here")

    def _check_headers(self, method, headers):
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "bearer", "390101", "Authorization header not found in the request data")
        if headers.get("X-Snowflake-Authorization-Token-Type", "KEYPAIR_JWT") != "KEYPAIR_JWT":
            raise Refused(401, "token-type", "390303", "Invalid OAuth access token")
        verify(token.strip(), self.keys, self.account, self.user, int(self.clock()))
        if not headers.get("User-Agent"):
            raise Refused(400, "user-agent", "391903", "The request is missing the User-Agent header")
        accept = headers.get("Accept", "")
        if not any(kind in accept for kind in ("application/json", "application/*", "*/*")):
            raise Refused(400, "accept", "391902", "Unsupported Accept header")
        if method == "POST" and headers.get("Content-Length", "0") != "0":
            if headers.get("Content-Type", "application/json").partition(";")[0].strip() != "application/json":
                raise Refused(415, "content-type", "391901", "Unsupported Content-Type header")

    def _body(self, raw):
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        timeout = body.get("timeout", 0) if isinstance(body, dict) else None
        if timeout is None or not isinstance(body.get("statement"), str) or not body["statement"].strip():
            raise Refused(400, "body", "390142", "Incoming request does not contain a valid payload.")
        if type(timeout) is not int or timeout < 0:
            raise Refused(400, "body", "390142", "Incoming request does not contain a valid payload.")
        return body

    def _submit(self, query, body, entry):
        request = query.get("requestId")
        if request is not None:
            try:
                request = str(uuid.UUID(request))
            except ValueError:
                raise Refused(400, "request-id", "391917", "requestId is no UUID") from None
        entry |= {"request": request, "retry": query.get("retry") == "true", "statement": body["statement"]}
        with self._lock:
            known = self._by_request.get(request) if request and entry["retry"] else None
            # What failed is run again, what succeeded or still runs is not (RETRY).
            known = None if known and known.failed() else known
            statement = known or self._new(body, query)
            # Without retry=true the same id is a new request: nothing promises otherwise, so the double runs it again.
            if request:
                self._by_request[request] = statement
        entry["handle"] = statement.handle
        entry["ran"] = known is None
        if statement.polls_left > 0:
            if not self.behaviour.runs_at_poll:
                statement.answer()
            return 202, self._pending(statement)
        return statement.answer()

    def _new(self, body, query):
        """A checked statement, not run yet."""
        texts = [
            text.strip()
            for text in re.split(r";(?=(?:[^']*'[^']*')*[^']*\Z)", _bare(body["statement"]))
            if text.strip()
        ]
        binds = self._binds(body.get("bindings") or {})
        wanted = (body.get("parameters") or {}).get("MULTI_STATEMENT_COUNT", "1")
        if str(wanted) != "0" and str(wanted) != str(len(texts)):
            message = f"Actual statement count {len(texts)} did not match the desired statement count {wanted}."
            raise Refused(422, "multiple", "000008", message, "0A000")
        if len(texts) > 1 and binds:
            raise Refused(
                422, "multiple-bound", "391912", "Bindings are not supported with several statements", "0A000"
            )
        for text in texts:
            if re.match(r"(PUT|GET)\s", text, re.IGNORECASE):
                raise Refused(422, "never", "391911", "The statement type is not supported", "0A000")
        if len(texts) == 1 and ALONE.match(texts[0]):
            raise Refused(422, "alone", "391911", "The statement type is not supported by itself", "0A000")
        for name in ("database", "schema", "warehouse", "role"):
            # A name that is left out is the user's default, and the double's user has ours.
            ours = self.names["load_role" if name == "role" else name]
            if body.get(name, ours) != ours:
                raise Refused(
                    422, "context", "390201", f"{name} {body[name]} does not exist or is not authorized", "02000"
                )

        statement = Statement(lambda it: self._run(it, texts, binds))
        self.statements[statement.handle] = statement
        self._count += 1
        nth = self.behaviour.every_nth_202
        if query.get("async") == "true" or (nth and self._count % nth == 0):
            statement.polls_left = max(1, self.behaviour.polls)
        if self.behaviour.time_out > 0:
            self.behaviour.time_out -= 1
            late = {
                "code": "000630",
                "sqlState": "57014",
                "message": "Statement reached its statement or warehouse timeout",
            }
            statement._run = lambda it: (408, late | {"statementHandle": it.handle})
        return statement

    def _binds(self, bindings):
        binds = []
        for number in range(1, len(bindings) + 1):
            bind = bindings.get(str(number))
            good = (
                isinstance(bind, dict)
                and bind.get("type") in TYPES
                and isinstance(bind.get("value"), (str, type(None)))
            )
            if not good:
                raise Refused(400, "binding", "391914", f"The binding {number} is invalid")
            binds.append(_bound(bind["type"], bind["value"]))
        return binds

    def _run(self, statement, texts, binds):
        session = self.warehouse.session(self.names["database"], self.names["schema"])
        results = []
        try:
            for text in texts:
                results.append(session.execute(text, list(binds)))
        except SqlError as error:
            failed = {"code": error.code, "sqlState": error.sql_state, "message": error.message}
            return 422, failed | self._about(statement)
        finally:
            session.close()
        if len(results) == 1:
            statement.parts = self._parts(results[0])
            return 200, self._result_set(statement, results[0])
        handles = []
        for result in results:
            child = Statement(None)
            child.parts = self._parts(result)
            child._done = (200, self._result_set(child, result))
            self.statements[child.handle] = child
            handles.append(child.handle)
        body = {
            "resultSetMetaData": {
                "numRows": 1,
                "format": "jsonv2",
                "partitionInfo": [{"rowCount": 1, "uncompressedSize": 44}],
                "rowType": [{"name": "multiple statement execution", "type": "text", "nullable": False}],
            },
            "data": [["Multiple statements executed successfully."]],
            "code": "090001",
            "sqlState": "00000",
            "message": "Statement executed successfully.",
            "statementHandles": handles,
        }
        return 200, body | self._about(statement)

    def _parts(self, result):
        rows = [[_cell(value, column) for value, column in zip(row, result.columns)] for row in result.rows]
        step = self.behaviour.partition_rows
        return [rows[start : start + step] for start in range(0, len(rows), step)] or [[]]

    def _result_set(self, statement, result):
        body = {
            "resultSetMetaData": {
                "numRows": len(result.rows),
                "format": "jsonv2",
                "partitionInfo": [
                    {"rowCount": len(part), "uncompressedSize": len(json.dumps(part))} for part in statement.parts
                ],
                "rowType": result.columns,
            },
            "data": statement.parts[0],
            "code": "090001",
            "sqlState": "00000",
            "message": "Statement executed successfully.",
        }
        if result.changed:
            body["stats"] = {f"numRows{kind.capitalize()}": count for kind, count in result.changed.items()}
        return body | self._about(statement)

    def _about(self, statement):
        return {
            "statementHandle": statement.handle,
            "statementStatusUrl": f"/api/v2/statements/{statement.handle}",
            "createdOn": statement.created,
        }

    def _pending(self, statement):
        return {"code": "333334", "message": IN_PROGRESS} | self._about(statement)

    def _poll(self, statement, query):
        with self._lock:
            pending = statement.polls_left > 0
            statement.polls_left -= pending
        if pending and statement.polls_left > 0:
            return 202, self._pending(statement)
        status, body = statement.answer()
        part = int(query.get("partition", "0"))
        if status != 200 or part == 0:
            return status, body
        if part >= len(statement.parts):
            raise Refused(422, "handle", "391916", f"Partition {part} does not exist", "02000", statement.handle)
        # Later partitions always come compressed (RESPONSES); the pages show no more of their form than this.
        return 200, Compressed({"data": statement.parts[part]} | self._about(statement))

    def _cancel(self, statement):
        if statement.cancel():
            statement.polls_left = 0
            return 200, {"code": "000604", "sqlState": "57014", "message": "SQL execution canceled"} | self._about(
                statement
            )
        return 422, {"code": "000605", "sqlState": "02000", "message": "The statement has ended"} | self._about(
            statement
        )

    # What tests ask beside the API

    def ask(self, path, body):
        if path == "/_double/log":
            return self.log
        if path == "/_double/behaviour":
            unknown = set(body) - {each.name for each in fields(Behaviour)}
            if unknown:
                raise ValueError(f"no such behaviour: {sorted(unknown)}")
            for name, value in body.items():
                setattr(self.behaviour, name, value)
            return vars(self.behaviour)
        if path == "/_double/ingest":
            if "folder" in body:
                return self.warehouse.ingest_folder(self.pipe(), body["folder"], body.get("files"))
            return self.warehouse.ingest(self.pipe(), _objects(body["endpoint"], body["bucket"], body["prefix"]))
        if path == "/_double/sql":
            session = self.warehouse.session(self.names["database"], self.names["schema"])
            try:
                result = session.execute(body["statement"])
                return [[_cell(value, column) for value, column in zip(row, result.columns)] for row in result.rows]
            finally:
                session.close()
        raise ValueError(f"no such question: {path}")


def _bare(text):
    return re.sub(r"--[^\n]*", "", text)


def _bound(kind, value):
    if value is None:
        return None
    if kind == "FIXED":
        return decimal.Decimal(value) if "." in value else int(value)
    if kind == "REAL":
        return float(value)
    if kind == "BOOLEAN":
        return value.lower() == "true"
    return value


def _cell(value, column):
    """A value as the API writes it: text, whatever its type; times as seconds since 1970."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        zone = " 1440" if column["type"] == "timestamp_tz" else ""
        utc = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        since = utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return f"{since.days * 86400 + since.seconds}.{since.microseconds * 1000:09}{zone}"
    return str(value)


def _objects(endpoint, bucket, prefix):
    """The objects below a prefix of an S3 emulator that asks for no signature; names as the stage has them."""
    listing = f"{endpoint}/{bucket}?{urllib.parse.urlencode({'list-type': 2, 'prefix': prefix})}"
    # One page of 1000 keys: a test stages a few files.
    tree = xml.etree.ElementTree.fromstring(urllib.request.urlopen(listing, timeout=10).read())
    keys = [node.text for node in tree.iter() if node.tag.rpartition("}")[2] == "Key"]
    return [
        (
            key[len(prefix) :].lstrip("/"),
            urllib.request.urlopen(f"{endpoint}/{bucket}/{urllib.parse.quote(key)}", timeout=10).read(),
        )
        for key in keys
    ]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double = None

    def _answer(self, method):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES:
            self.close_connection = True
            return self._send(413, {"message": "too large"})
        raw = self.rfile.read(length)
        if url.path.startswith("/_double/"):
            try:
                return self._send(200, self.double.ask(url.path, json.loads(raw or b"{}")))
            except (ValueError, KeyError, OSError, SqlError) as error:
                return self._send(400, {"message": str(error)})
        entry = {"method": method, "path": url.path}
        try:
            status, body = self.double.call(method, url.path, query, self.headers, raw, entry)
        except Refused as refused:
            status, body = refused.status, refused.body
            entry["rule"] = refused.rule
        self.double.log.append(entry | {"status": status})
        if "statement" in entry and self.double.behaviour.lose > 0:
            self.double.behaviour.lose -= 1
            self.close_connection = True
            return None
        return self._send(status, body)

    def _send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if isinstance(body, Compressed):
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self._answer("GET")

    def do_POST(self):
        self._answer("POST")

    def do_DELETE(self):
        self._answer("DELETE")

    def log_message(self, *_):
        """The log of calls is the log."""


def watch(double, folder, stopped, every=1.0):
    """Announces the files of a folder to the pipe until `stopped`. One that was read, or failed, is not read again:
    a notification comes once. One that is written meanwhile bears another name, as those that S3 has not yet."""
    announced = set()
    while not stopped.wait(every):
        found = {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.jsonl.gz") if path.is_file()}
        for name in sorted(found - announced):
            announced.add(name)
            double.warehouse.ingest_folder(double.pipe(), folder, [name])


def serve(double, port=0):
    """A running server; its port is server_address[1]."""
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"double": double}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(argv):
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--account", required=True)
    arguments.add_argument("--user", required=True)
    arguments.add_argument(
        "--public-key", action="append", required=True, help="PEM file; twice while keys are rotated"
    )
    arguments.add_argument("--setup", action="store_true")
    arguments.add_argument("--watch", metavar="FOLDER", help="stands for the bucket; implies --setup")
    arguments.add_argument("--port", type=int, default=0, help="a free one if left out")
    given = arguments.parse_args(argv)
    keys = []
    for name in given.public_key:
        with open(name, "rb") as file:
            keys.append(serialization.load_pem_public_key(file.read()))
    double = Double(keys, given.account, given.user)
    if given.setup or given.watch:
        double.set_up()
    server = serve(double, given.port)
    stopped = threading.Event()
    if given.watch:
        threading.Thread(target=watch, args=(double, given.watch, stopped), daemon=True).start()
    print(f"port {server.server_address[1]}", flush=True)
    stopped.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
