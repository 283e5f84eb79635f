"""Runs a Python handler: takes events from the Runtime API, gives back what the handler returns.

Only the standard library, and of that only what every start needs: each import is part of every cold start. The HTTP
client is a socket, and a bare one, because `http.client` and `socket` take longer to import than all of this. `logging`
is set up when the function imports it.
"""

import _socket
import json
import os
import sys
import time

# Modules of layers come after the function's own.
sys.path[0:0] = [
    os.environ["LAMBDA_TASK_ROOT"],
    f"/opt/python/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages",
    "/opt/python",
]
# Lines that belong to one message end with this; whoever collects the output puts them together again.
CONTINUED = "\x1e\n"
JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


def write(text):
    """Writes a message of one or more lines as one event of the log."""
    sys.stdout.write(text.rstrip("\n").replace("\n", CONTINUED) + "\n")
    sys.stdout.flush()


class Current:
    """The invocation under way, for the lines of the log."""

    request_id = None


class LoggingFinder:
    """Sets `logging` up as functions have it, once it is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next(spec for spec in found if spec)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            set_up(module)

        spec.loader.exec_module = exec_module
        return spec


def set_up(logging):
    """Has the root logger write records in the form that functions' logs have."""

    class Handler(logging.Handler):
        def emit(self, record):
            try:
                write(self.format(record))
            except Exception:
                self.handleError(record)

    class RequestId(logging.Filter):
        def filter(self, record):
            record.aws_request_id = Current.request_id or ""
            return True

    class Json(logging.Formatter):
        own = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id"}

        def format(self, record):
            told = {
                "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
            }
            if record.exc_info:
                kind, error, trace = record.exc_info
                told["stackTrace"] = self.formatException(record.exc_info).split("\n")
                told["errorType"] = kind.__name__
                told["errorMessage"] = str(error)
                told["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
            if record.aws_request_id:
                told["requestId"] = record.aws_request_id
            told.update((name, value) for name, value in vars(record).items() if name not in self.own)
            return json.dumps(told, default=str, ensure_ascii=False)

    handler = Handler()
    if JSON_LOGS:
        form = Json()
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        named = {"TRACE": logging.NOTSET, "FATAL": logging.CRITICAL}
        logging.getLogger().setLevel(named.get(level) if level in named else level)
    else:
        form = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    handler.setFormatter(form)
    handler.addFilter(RequestId())
    logging.getLogger().addHandler(handler)


class Api:
    """The Runtime API: HTTP/1.1 on one connection that stays open."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.connection.connect((host, int(port)))
        self.connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        # Reads through the same descriptor, and leaves its end to the socket.
        self.stream = open(self.connection.fileno(), "rb", closefd=False)

    def call(self, method, path, body=b"", headers=""):
        head = f"{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: runtime\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.connection.sendall(head.encode() + body)
        status = self.stream.readline()
        if not status:
            sys.exit(0)
        found = {}
        while True:
            line = self.stream.readline().decode("latin-1").strip()
            if not line:
                break
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found, self.stream.read(int(found.get("content-length", 0)))


class CognitoIdentity:
    """The identity of a caller that came with a mobile SDK."""

    def __init__(self, identity):
        self.cognito_identity_id = identity.get("cognitoIdentityId")
        self.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")


class Client:
    """The application that a mobile SDK is in."""

    def __init__(self, client):
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, client.get(name))


class ClientContext:
    """What a caller said of itself with `ClientContext`."""

    def __init__(self, context):
        self.custom = context.get("custom")
        self.env = context.get("env")
        self.client = Client(context["client"]) if context.get("client") else None


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = env["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = env["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = env["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = env["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.tenant_id = None
        self.identity = CognitoIdentity(json.loads(headers.get("lambda-runtime-cognito-identity") or "{}") or {})
        context = json.loads(headers.get("lambda-runtime-client-context") or "null")
        self.client_context = ClientContext(context) if context else None
        self._deadline = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ", ".join(f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"LambdaContext([{shown}])"


class Fault(Exception):
    """Something that is wrong with the function before its handler can run."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def find_handler(name):
    """The handler that `_HANDLER` names. What is wrong with it is told at every invocation."""
    import importlib
    import traceback

    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        return faulty("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        return faulty("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", traceback.format_exc())
    except SyntaxError as error:
        return faulty("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", traceback.format_exc())
    try:
        return getattr(module, function_name)
    except AttributeError:
        return faulty("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")


def faulty(kind, message, trace=None):
    write(f"[ERROR] {kind}: {message}" + (f"\n{trace}" if trace else "\nTraceback (most recent call last):"))

    def fail(event, context):
        raise Fault(kind, message)

    return fail


def marshal(error, request_id):
    """An exception as the caller sees it."""
    if isinstance(error, Fault):
        return {"errorMessage": str(error), "errorType": error.kind, "requestId": request_id, "stackTrace": []}
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    # What stands above the function's own code is none of its business.
    own = next((n for n, frame in enumerate(frames) if frame.filename != __file__), len(frames))
    frames = [f for f in frames[own:] if not f.filename.startswith("<frozen importlib")]
    message, kind = str(error), type(error).__name__
    trace = traceback.format_list(frames)
    told = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    if JSON_LOGS:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write(json.dumps({"timestamp": moment, "log_level": "ERROR", **told}, ensure_ascii=False))
    else:
        write(f"[ERROR] {kind}: {message}\nTraceback (most recent call last):\n{''.join(trace)}")
    return told


def plain(value):
    """Numbers of DynamoDB come as decimals."""
    decimal = sys.modules.get("decimal")
    if decimal and isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def handle(api, handler, headers, body):
    context = LambdaContext(headers)
    Current.request_id = context.aws_request_id
    if headers.get("lambda-runtime-trace-id"):
        os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
    path = f"invocation/{context.aws_request_id}"
    try:
        answer = handler(json.loads(body), context)
        try:
            answer = json.dumps(answer, ensure_ascii=False, default=plain)
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    except Exception as error:
        told = marshal(error, context.aws_request_id)
        sys.stdout.flush()
        kind = told["errorType"].encode("ascii", "replace").decode()
        api.call("POST", path + "/error", json.dumps(told).encode(), f"Lambda-Runtime-Function-Error-Type: {kind}\r\n")
    else:
        sys.stdout.flush()
        sys.stderr.flush()
        api.call("POST", path + "/response", answer.encode("utf-8", "surrogatepass"))
    Current.request_id = None


def main():
    sys.stdout.reconfigure(line_buffering=True)
    sys.meta_path.insert(0, LoggingFinder())
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        function = find_handler(os.environ["_HANDLER"])
    except Exception as error:
        told = marshal(error, "")
        sys.stdout.flush()
        api.call("POST", "init/error", json.dumps(told).encode())
        sys.exit(1)
    while True:
        headers, body = api.call("GET", "invocation/next")
        handle(api, function, headers, body)


if __name__ == "__main__":
    main()
