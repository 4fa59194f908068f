"""The double holds to each of its rules, and a client of it can do the whole load."""

import base64
import gzip
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import shipped
from double import RULES, Behaviour, Double, fingerprint, serve, watch
from model import Model, file_of, order

ACCOUNT, USER = "MYORG-TIDE", "TIDEGATE_LOADER"
NOW = 1_780_000_000


def part(data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Client:
    """The API as a client speaks it; each argument can be made wrong."""

    def __init__(self, port, key):
        self.port, self.key = port, key
        # Paths whose answers came in gzip.
        self.compressed = []

    def token(self, key=None, alg="RS256", **claims):
        key = key or self.key
        name = f"{ACCOUNT}.{USER}"
        claims = {
            "iss": f"{name}.{fingerprint(key.public_key())}",
            "sub": name,
            "iat": NOW - 60,
            "exp": NOW + 600,
        } | claims
        signed = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims)}"
        return f"{signed}.{part(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def call(self, method, path, body=None, token=None, **headers):
        headers = {
            "Authorization": f"Bearer {token or self.token()}",
            "X-Snowflake-Authorization-Token-Type": "KEYPAIR_JWT",
            "User-Agent": "tidegate/0",
            "Accept": "application/json",
            "Content-Type": "application/json",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(
                method, path, data, {name: value for name, value in headers.items() if value is not None}
            )
            answer = connection.getresponse()
            data = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
                self.compressed.append(path)
            return answer.status, json.loads(data)
        finally:
            connection.close()

    def submit(self, statement, request=None, retry=False, count=None, bindings=None, query="", **changes):
        body = {"statement": statement, "timeout": 60, "database": "TIDEGATE", "schema": "MARKET"}
        body |= {"warehouse": "TIDEGATE_WH", "role": "TIDEGATE_LOAD"}
        if count is not None:
            body["parameters"] = {"MULTI_STATEMENT_COUNT": str(count)}
        if bindings is not None:
            body["bindings"] = bindings
        body |= changes
        path = f"/api/v2/statements?requestId={request or uuid.uuid4()}" + ("&retry=true" if retry else "") + query
        return self.call("POST", path, body)

    def ask(self, path, body=None):
        return self.call("POST" if body is not None else "GET", f"/_double/{path}", body)[1]


class OverHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key, cls.next_key, cls.other_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
        cls.double = Double([cls.key.public_key(), cls.next_key.public_key()], ACCOUNT, USER, clock=lambda: NOW)
        cls.double.set_up()
        cls.server = serve(cls.double)
        cls.client = Client(cls.server.server_address[1], cls.key)

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        self.double.behaviour = Behaviour()
        self.double.log.clear()
        self.double.warehouse.load_history.clear()
        for table in ("landing", "records"):
            self.client.ask("sql", {"statement": f"DELETE FROM {table}"})

    def turns(self):
        return int(self.client.ask("sql", {"statement": "SELECT turns FROM merge_turn"})[0][0])

    TURN = "UPDATE merge_turn SET turns = turns + 1"


class Rules(OverHttp):
    def refused(self):
        """Requests, each by the rule that refuses it."""
        token, submit, call = self.client.token, self.client.submit, self.client.call
        ours = f"{ACCOUNT}.{USER}.{fingerprint(self.key.public_key())}"

        def with_token(made, **headers):
            return lambda: call("POST", "/api/v2/statements", {"statement": "SELECT 1"}, made, **headers)

        unsigned = f"{part({'alg': 'none'})}.{part({'iss': ours})}."
        bound = {"1": {"type": "FIXED", "value": "1"}}
        return {
            "bearer": [with_token(None, Authorization=None), with_token(None, Authorization="Basic abc")],
            "token-type": [with_token(None, X_Snowflake_Authorization_Token_Type=kind) for kind in ("OAUTH", "")],
            "jwt-form": [with_token("abc"), with_token(unsigned), with_token(token(alg="HS256")), with_token("a.b.c")],
            "jwt-signature": [with_token(token(key=self.other_key)), with_token(token()[:-8] + "AAAAAAAA")],
            "jwt-issuer": [
                with_token(token(iss=iss))
                for iss in (
                    ours.lower(),
                    f"{ACCOUNT}.{USER}",
                    ours.replace("TIDE.", "TIDE.EU-WEST-1."),
                    None,
                    ours.replace(fingerprint(self.key.public_key()), fingerprint(self.next_key.public_key())),
                )
            ],
            "jwt-subject": [
                with_token(token(sub=sub)) for sub in ("", None, ours, f"{ACCOUNT}.{USER}".lower(), "OTHER.USER")
            ],
            "jwt-times": [
                with_token(token(**times))
                for times in (
                    {"exp": NOW},
                    {"exp": NOW - 1},
                    {"iat": NOW + 1},
                    {"iat": NOW - 3600, "exp": NOW + 9999},
                    {"exp": "later"},
                    {"iat": None},
                )
            ],
            "user-agent": [with_token(None, User_Agent=None), with_token(None, User_Agent="")],
            "accept": [with_token(None, Accept=accept) for accept in (None, "text/html")],
            "content-type": [with_token(None, Content_Type="text/plain")],
            "request-id": [lambda: submit("SELECT 1", request="1")],
            "body": [
                lambda: call("POST", "/api/v2/statements", b"{"),
                lambda: call("POST", "/api/v2/statements", []),
                lambda: call("POST", "/api/v2/statements", {}),
                lambda: submit("SELECT 1", timeout="60"),
                lambda: submit("  "),
            ],
            "context": [
                lambda name=name: submit("SELECT 1", **{name: "tidegate"})
                for name in ("database", "schema", "warehouse", "role")
            ],
            "binding": [
                lambda binding=binding: submit("SELECT ?", bindings=binding)
                for binding in (
                    {"1": {"type": "FIXED", "value": 1}},
                    {"1": {"type": "INT", "value": "1"}},
                    {"2": bound["1"]},
                    {"1": "1"},
                )
            ],
            "multiple": [lambda: submit("SELECT 1; SELECT 2"), lambda: submit("SELECT 1; SELECT 2", count=3)],
            "multiple-bound": [lambda: submit("SELECT ?; SELECT 2", count=2, bindings=bound)],
            "alone": [
                lambda text=text: submit(text) for text in ("BEGIN TRANSACTION", "COMMIT", "USE SCHEMA a", "SET a = 1")
            ],
            "never": [lambda: submit("PUT file://a @b"), lambda: submit("GET @b file://a")],
            "handle": [
                lambda: call("GET", f"/api/v2/statements/{uuid.uuid4()}"),
                lambda: call("POST", "/api/v2/statements/x/cancel"),
            ],
            "endpoint": [lambda: call("GET", "/api/v2/hello"), lambda: call("POST", "/api/v1/statements")],
            "method": [
                lambda: call("GET", "/api/v2/statements"),
                lambda: call("DELETE", "/api/v2/statements/x"),
                lambda: call("GET", "/api/v2/statements/x/cancel"),
            ],
        }

    def test_each_rule_refuses_its_requests_and_no_rule_is_without_one(self):
        refused = self.refused()
        self.assertEqual(refused.keys(), RULES.keys())
        for rule, requests in refused.items():
            for number, request in enumerate(requests):
                with self.subTest(rule=rule, number=number):
                    status, body = request()
                    self.assertIn(status, (400, 401, 404, 405, 415, 422))
                    self.assertEqual(self.double.log[-1].get("rule"), rule)
                    self.assertIn("message", body)
                    if status == 422:
                        self.assertEqual({"code", "sqlState", "statementHandle"} - body.keys(), set())

    def test_what_is_refused_has_not_run(self):
        before = self.turns()
        self.client.submit(f"{self.TURN}; {self.TURN}")
        self.client.submit(self.TURN, warehouse="other")
        self.assertEqual(self.turns(), before)

    def test_what_may_be_left_out_may_be_left_out(self):
        body = {"statement": "SELECT 1"}
        answer = self.client.call(
            "POST", "/api/v2/statements", body, X_Snowflake_Authorization_Token_Type=None, Content_Type=None
        )
        self.assertEqual(answer[0], 200)

    def test_a_token_of_either_registered_key_is_taken_and_its_times_may_be_in_milliseconds(self):
        tokens = [self.client.token(key=self.key), self.client.token(key=self.next_key)]
        tokens.append(self.client.token(iat=NOW * 1000, exp=NOW * 1000 + 1000))
        for token in tokens:
            self.assertEqual(self.client.call("POST", "/api/v2/statements", {"statement": "SELECT 1"}, token)[0], 200)


class Answers(OverHttp):
    def test_a_result_has_metadata_and_text_for_every_value(self):
        status, body = self.client.submit(
            "SELECT 1 AS a, TRUE AS b, NULL AS c, 'x' AS d, 1.50::NUMBER(9,2) AS e, "
            "'2026-01-02 03:04:05'::TIMESTAMP_NTZ AS f"
        )
        self.assertEqual(status, 200)
        self.assertEqual(body["data"], [["1", "true", None, "x", "1.50", "1767323045.000000000"]])
        self.assertEqual([column["type"] for column in body["resultSetMetaData"]["rowType"]][:2], ["fixed", "boolean"])
        self.assertEqual((body["code"], body["resultSetMetaData"]["numRows"]), ("090001", 1))
        uuid.UUID(body["statementHandle"])

    def test_bindings_are_values_and_never_text_of_the_statement(self):
        evil = "'; DELETE FROM merge_turn; --"
        bindings = {
            "1": {"type": "TEXT", "value": evil},
            "2": {"type": "FIXED", "value": "18446744073709551615"},
            "3": {"type": "BOOLEAN", "value": "true"},
            "4": {"type": "TEXT", "value": None},
        }
        status, body = self.client.submit("SELECT ?, ?, ?, ?", bindings=bindings)
        self.assertEqual((status, body["data"]), (200, [[evil, "18446744073709551615", "true", None]]))

    def test_an_error_of_the_statement_is_422_with_code_state_and_message(self):
        for statement in ("SELEC 1", "SELECT * FROM nowhere", "SELECT 'x'::NUMBER"):
            status, body = self.client.submit(statement)
            self.assertEqual(status, 422)
            self.assertEqual({"code", "sqlState", "message", "statementHandle"} - body.keys(), set())

    def test_several_statements_answer_one_handle_each_and_an_error_undoes_the_transaction(self):
        before = self.turns()
        status, body = self.client.submit(
            f"BEGIN TRANSACTION; {self.TURN}; SELECT turns FROM merge_turn; COMMIT", count=4
        )
        self.assertEqual((status, len(body["statementHandles"])), (200, 4))
        status, third = self.client.call("GET", f"/api/v2/statements/{body['statementHandles'][2]}")
        self.assertEqual(third["data"], [[str(before + 1)]])
        status, second = self.client.call("GET", f"/api/v2/statements/{body['statementHandles'][1]}")
        self.assertEqual(second["stats"], {"numRowsUpdated": 1})
        status, _ = self.client.submit(f"BEGIN TRANSACTION; {self.TURN}; SELECT * FROM nowhere; COMMIT", count=4)
        self.assertEqual((status, self.turns()), (422, before + 1))

    def test_a_transaction_that_is_left_open_is_undone(self):
        before = self.turns()
        self.assertEqual(self.client.submit(f"BEGIN TRANSACTION; {self.TURN}", count=0)[0], 200)
        self.assertEqual(self.turns(), before)

    def test_every_nth_statement_is_answered_202_and_its_result_comes_by_the_handle(self):
        self.client.ask("behaviour", {"every_nth_202": 2, "polls": 3})
        statuses = []
        for _ in range(4):
            status, body = self.client.submit("SELECT 7")
            statuses.append(status)
            if status == 202:
                self.assertEqual(
                    (body["code"], body["statementStatusUrl"]),
                    ("333334", f"/api/v2/statements/{body['statementHandle']}"),
                )
                polls = [self.client.call("GET", body["statementStatusUrl"])[0] for _ in range(3)]
                self.assertEqual(polls, [202, 202, 200])
                self.assertEqual(self.client.call("GET", body["statementStatusUrl"])[1]["data"], [["7"]])
        self.assertEqual(sorted(statuses), [200, 200, 202, 202])

    def test_async_true_is_always_answered_202(self):
        status, body = self.client.submit("SELECT 7", query="&async=true")
        self.assertEqual(status, 202)
        self.assertEqual(self.client.call("GET", body["statementStatusUrl"])[0], 200)

    def test_an_error_of_a_statement_that_was_answered_202_comes_at_the_poll(self):
        _, body = self.client.submit("SELECT * FROM nowhere", query="&async=true")
        self.assertEqual(self.client.call("GET", body["statementStatusUrl"])[0], 422)

    def test_a_cancelled_statement_has_no_effect_and_an_ended_one_keeps_its(self):
        for at_poll, turned, answer in ((True, 0, 200), (False, 1, 422)):
            self.client.ask("behaviour", {"runs_at_poll": at_poll, "polls": 9})
            before = self.turns()
            _, body = self.client.submit(self.TURN, query="&async=true")
            self.assertEqual(self.client.call("POST", f"{body['statementStatusUrl']}/cancel")[0], answer)
            self.assertEqual(self.turns(), before + turned)
        _, body = self.client.submit(self.TURN, query="&async=true")

    def test_a_long_result_comes_in_partitions(self):
        self.client.ask("behaviour", {"partition_rows": 2})
        _, body = self.client.submit("SELECT * FROM VALUES (1), (2), (3), (4), (5)")
        self.assertEqual([each["rowCount"] for each in body["resultSetMetaData"]["partitionInfo"]], [2, 2, 1])
        url = body["statementStatusUrl"]
        parts = [self.client.call("GET", f"{url}?partition={number}")[1]["data"] for number in range(3)]
        self.assertEqual(sum(parts, []), [["1"], ["2"], ["3"], ["4"], ["5"]])
        self.assertEqual(self.client.compressed[-2:], [f"{url}?partition={number}" for number in (1, 2)])
        self.assertEqual(self.client.call("GET", f"{url}?partition=3")[0], 422)

    def test_a_statement_past_its_timeout_is_408_and_has_no_effect(self):
        before = self.turns()
        self.client.ask("behaviour", {"time_out": 1})
        self.assertEqual([self.client.submit(self.TURN)[0] for _ in range(2)], [408, 200])
        self.assertEqual(self.turns(), before + 1)


class Repeated(OverHttp):
    def test_the_same_request_id_with_retry_runs_once(self):
        before, request = self.turns(), uuid.uuid4()
        first = self.client.submit(self.TURN, request=request, retry=True)
        again = self.client.submit(self.TURN, request=request, retry=True)
        self.assertEqual(first, again)
        self.assertEqual(self.turns(), before + 1)
        self.assertEqual([call["ran"] for call in self.double.log], [True, False])

    def test_the_same_request_id_with_retry_runs_again_what_failed(self):
        request = uuid.uuid4()
        statement = "SELECT * FROM later"
        self.assertEqual(self.client.submit(statement, request=request, retry=True)[0], 422)
        self.client.ask("sql", {"statement": "CREATE TABLE later (a INT)"})
        self.assertEqual(self.client.submit(statement, request=request, retry=True)[0], 200)
        self.client.ask("sql", {"statement": "DROP TABLE later"})

    def test_an_answer_that_was_lost_is_had_by_the_same_request_id(self):
        before, request = self.turns(), uuid.uuid4()
        self.client.ask("behaviour", {"lose": 1})
        with self.assertRaises(http.client.HTTPException):
            self.client.submit(self.TURN, request=request, retry=True)
        status, body = self.client.submit(self.TURN, request=request, retry=True)
        self.assertEqual((status, body["stats"]), (200, {"numRowsUpdated": 1}))
        self.assertEqual(self.turns(), before + 1)

    def test_the_same_request_id_without_retry_runs_again(self):
        before, request = self.turns(), uuid.uuid4()
        for _ in range(2):
            self.client.submit(self.TURN, request=request)
        self.assertEqual(self.turns(), before + 2)

    def test_429_is_answered_as_often_as_asked_and_nothing_runs(self):
        before = self.turns()
        for status in (429, 503):
            self.client.ask("behaviour", {"refuse": 2, "refuse_status": status})
            self.assertEqual([self.client.submit("SELECT 1")[0] for _ in range(3)], [status, status, 200])
        self.assertEqual(self.turns(), before)

    def test_an_unknown_behaviour_is_refused(self):
        self.assertIn("message", self.client.ask("behaviour", {"luck": 1}))


class Load(OverHttp):
    MERGE = "; ".join(shipped.statements("11_merge.sql"))

    def merge(self):
        status, body = self.client.submit(self.MERGE, count=5, retry=True)
        while status == 202:
            status, body = self.client.call("GET", body["statementStatusUrl"])
        return status, body

    def checksum(self):
        return self.client.submit(shipped.statements("21_reconcile_flows.sql")[0])[1]["data"]

    def expected(self, rows):
        model = Model()
        model.merge(rows)
        return [[str(value) for value in flow] for flow in model.flows()]

    def test_a_whole_load_from_a_folder_to_the_checksum(self):
        self.client.ask("behaviour", {"every_nth_202": 2})
        rows = [order("a:1", 1), order("a:1", 2), order("a:2", 1)]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "orders").mkdir()
            (Path(folder) / "orders" / "one.jsonl.gz").write_bytes(file_of(rows[:2]))
            (Path(folder) / "orders" / "two.jsonl.gz").write_bytes(file_of(rows[2:]))
            (Path(folder) / "orders" / "bad.jsonl.gz").write_bytes(gzip.compress(b"{\n"))
            for outcome in (["Loaded", "Loaded"], ["loaded before", "loaded before"]):
                read = dict(self.client.ask("ingest", {"folder": folder}))
                self.assertEqual([read["orders/one.jsonl.gz"], read["orders/two.jsonl.gz"]], outcome)
                self.assertIn("Load failed", read["orders/bad.jsonl.gz"])
        for _ in range(2):
            status, body = self.merge()
            self.assertEqual((status, len(body["statementHandles"])), (200, 5))
        self.client.ask("behaviour", {"every_nth_202": 0})
        self.assertEqual(self.checksum(), self.expected(rows))

    def test_files_that_come_into_a_watched_folder_are_read_once(self):
        class Rounds:
            """An event that is waited for three times, and what happens meanwhile."""

            def __init__(self, *between):
                self.between = list(between)

            def wait(self, _):
                if not self.between:
                    return True
                self.between.pop(0)()
                return False

        with tempfile.TemporaryDirectory() as folder:

            def put(name, data):
                path = Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)

            first, second = order("a:1", 1), order("a:2", 1)
            watch(
                self.double,
                folder,
                Rounds(
                    lambda: None,
                    lambda: (put("orders/one.jsonl.gz", file_of([first])), put("orders/.two.part", b"half")),
                    lambda: (
                        put("orders/two.jsonl.gz", file_of([second])),
                        put("orders/bad.jsonl.gz", b"{"),
                        put("other/bad.jsonl.gz", b"{"),
                    ),
                    lambda: None,
                ),
            )
        self.assertEqual(self.client.ask("sql", {"statement": "SELECT COUNT(*) FROM landing"}), [["2"]])
        not_loaded = shipped.statements("31_files_not_loaded.sql")[0]
        bound = {"1": {"type": "TEXT", "value": "orders"}}
        names = [row[0] for row in self.client.submit(not_loaded, bindings=bound)[1]["data"]]
        self.assertEqual(names, ["orders/bad.jsonl.gz"])

    def test_files_are_read_from_a_bucket_over_plain_http(self):
        rows = [order("a:1", 1)]
        objects = {"warehouse/orders/2026/one x.jsonl.gz": file_of(rows)}

        class Bucket(BaseHTTPRequestHandler):
            def do_GET(self):
                path = urllib.parse.unquote(self.path)
                keys = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in objects)
                listing = f'<ListBucketResult xmlns="urn:s3">{keys}</ListBucketResult>'.encode()
                data = listing if "?list-type=2" in path else objects[path.removeprefix("/staged/")]
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        read = self.client.ask("ingest", {"endpoint": endpoint, "bucket": "staged", "prefix": "warehouse"})
        self.assertEqual(read, [["orders/2026/one x.jsonl.gz", "Loaded"]])

    def test_two_clients_that_merge_at_once_end_in_one_table(self):
        rows = [order(f"a:{number % 3}", number) for number in range(12)]
        statuses = []

        def repeat():
            statuses.extend(self.merge()[0] for _ in range(3))

        threads = [threading.Thread(target=repeat) for _ in range(2)]
        for thread in threads:
            thread.start()
        pipe = self.double.pipe()
        for number, row in enumerate(rows):
            self.double.warehouse.ingest(pipe, [(f"{number}.jsonl.gz", file_of([row]))])
        for thread in threads:
            thread.join()
        statuses.append(self.merge()[0])
        self.assertEqual(statuses, [200] * 7)
        self.assertEqual(self.checksum(), self.expected(rows))


class Started(unittest.TestCase):
    def test_it_prints_its_port_when_it_is_ready_and_knows_the_real_time(self):
        key = rsa.generate_private_key(65537, 2048)
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "key.pem").write_bytes(pem)
            command = [
                sys.executable,
                "double.py",
                "--account",
                ACCOUNT,
                "--user",
                USER,
                "--public-key",
                f"{folder}/key.pem",
                "--setup",
            ]
            process = subprocess.Popen(
                command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            try:
                word, port = process.stdout.readline().split()
                client = Client(int(port), key)
                now = int(time.time())
                token = client.token(iat=now, exp=now + 60)
                body = {
                    "statement": "SELECT COUNT(*) FROM landing",
                    "database": "TIDEGATE",
                    "schema": "MARKET",
                    "warehouse": "TIDEGATE_WH",
                    "role": "TIDEGATE_LOAD",
                }
                status, answer = client.call("POST", "/api/v2/statements", body, token)
                self.assertEqual((word, status, answer.get("data")), ("port", 200, [["0"]]))
            finally:
                process.kill()
                process.wait()
                process.stdout.close()


if __name__ == "__main__":
    unittest.main()
