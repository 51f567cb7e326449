"""libmodsecurity beside this engine: reads lines of JSON, and writes a line for each.

    {"value": "<hex>"}                              the detectors of injections: [sqli, fingerprint, xss]
    {"method", "uri", "version", "headers", "body"} the rules of the configuration in argv[1]: true if it is refused
    the same with "times"                           the microseconds of CPU time of each time
"""

import ctypes
import glob
import json
import os
import sys
import time

import libmodsecurity

folder = os.path.dirname(os.path.dirname(libmodsecurity.__file__))
library = ctypes.CDLL(glob.glob(os.path.join(folder, "libmodsecurity.libs", "libmodsecurity-*"))[0])
fingerprint = ctypes.create_string_buffer(16)
engine = libmodsecurity.ModSecurity()
engine.set_log_callback(lambda line: None)
rules = libmodsecurity.RulesSet()
if len(sys.argv) > 1 and rules.load_from_uri(sys.argv[1]) < 0:
    sys.exit(rules.get_parser_error())


def detect(value):
    size = ctypes.c_size_t(len(value))
    sqli = library.libinjection_sqli(value, size, fingerprint)
    return [sqli == 1, fingerprint.value.decode("latin-1") if sqli else "", library.libinjection_xss(value, size) == 1]


def refuses(request):
    transaction = libmodsecurity.Transaction(engine, rules)
    transaction.process_connection("127.0.0.1", 40000, "127.0.0.1", 80)
    transaction.process_uri(request["uri"], request["method"], request["version"])
    for name, value in request["headers"]:
        transaction.add_request_header(name, value)
    transaction.process_request_headers()
    if transaction.intervention():
        return True
    transaction.append_request_body(bytes.fromhex(request["body"]))
    transaction.process_request_body()
    return transaction.intervention() is not None


def measure(request):
    start = time.process_time_ns()
    refuses(request)
    return (time.process_time_ns() - start) / 1000


for line in sys.stdin:
    question = json.loads(line)
    if "value" in question:
        answer = detect(bytes.fromhex(question["value"]))
    elif "times" in question:
        measure(question)
        answer = [measure(question) for _ in range(question["times"])]
    else:
        answer = refuses(question)
    print(json.dumps(answer))
