// Runs a Node.js handler: takes events from the Runtime API, gives back what the handler returns.

import { existsSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

// Lines that belong to one message end with this; whoever collects the output puts them together again.
const CONTINUED = '\x1e\n';
let requestId;

function write(text) {
  const bytes = Buffer.from(text.replace(/\n+$/, '').replaceAll('\n', CONTINUED) + '\n');
  let at = 0;
  while (at < bytes.length) {
    at += writeSync(1, bytes, at);
  }
}

const JSON_LOGS = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const LOWEST = Math.max(0, LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? 'INFO'));

// A message as JSON. What is one object is told as it is, and of errors what they are.
function writeJson(level, items) {
  if (LEVELS.indexOf(level) < LOWEST) return;
  const told = { timestamp: new Date().toISOString(), level, requestId };
  const plain = items.length === 1 && items[0] && typeof items[0] === 'object' && !(items[0] instanceof Error);
  told.message = plain ? items[0] : format(...items);
  const error = items.find((item) => item instanceof Error);
  if (error) {
    told.errorType = error.name;
    told.errorMessage = error.message;
    told.stackTrace = String(error.stack ?? '').split('\n');
  }
  let text;
  try {
    text = JSON.stringify(told);
  } catch {
    text = JSON.stringify({ ...told, message: format(...items) });
  }
  write(text);
}

function patchConsole() {
  const levels = { trace: 'TRACE', debug: 'DEBUG', log: 'INFO', info: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...items) => (JSON_LOGS ? writeJson(level, items) : write(`${new Date().toISOString()}\t${requestId}\t${level}\t${format(...items)}`));
  }
}

// The Runtime API: HTTP/1.1 on one connection that stays open. The server always tells the length of what it sends.
class Api {
  constructor(address) {
    const [host, port] = address.split(':');
    this.socket = net.connect({ host, port: Number(port), noDelay: true });
    this.received = Buffer.alloc(0);
    this.socket.on('data', (bytes) => {
      this.received = this.received.length ? Buffer.concat([this.received, bytes]) : bytes;
      this.take();
    });
    this.socket.on('close', () => process.exit(0));
    this.socket.on('error', () => process.exit(0));
  }

  take() {
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0 || !this.waiting) return;
    const headers = {};
    for (const line of this.received.subarray(0, end).toString('latin1').split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const whole = end + 4 + Number(headers['content-length'] ?? 0);
    if (this.received.length < whole) return;
    const body = this.received.subarray(end + 4, whole);
    this.received = this.received.subarray(whole);
    const { waiting } = this;
    this.waiting = undefined;
    // A function that only waits for its own timers must be able to see an empty event loop.
    this.socket.unref();
    waiting({ headers, body });
  }

  // An answer in pieces: what is written goes out at once.
  stream(where) {
    let begun = false;
    let contentType = 'application/octet-stream';
    const { socket } = this;
    const begin = () => {
      if (begun) return;
      begun = true;
      socket.ref();
      socket.write(
        `POST /2018-06-01/runtime/${where}/response HTTP/1.1\r\nHost: runtime\r\nTransfer-Encoding: chunked\r\n` +
          `Content-Type: ${contentType}\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n` +
          'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n',
      );
    };
    const stream = new Writable({
      write(piece, encoding, done) {
        begin();
        const bytes = Buffer.from(piece, encoding === 'buffer' ? undefined : encoding);
        if (bytes.length === 0) return done();
        const head = `${bytes.length.toString(16)}\r\n`;
        return socket.write(Buffer.concat([Buffer.from(head), bytes, Buffer.from('\r\n')]), done);
      },
    });
    stream.setContentType = (type) => {
      contentType = type;
    };
    stream.begun = () => begun;
    stream.finished = (error) => {
      begin();
      const body = error && Buffer.from(JSON.stringify(error)).toString('base64');
      const trailers = error
        ? `Lambda-Runtime-Function-Error-Type: ${error.errorType}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n`
        : '';
      return new Promise((resolve) => {
        this.waiting = resolve;
        socket.write(`0\r\n${trailers}\r\n`);
      });
    };
    return stream;
  }

  call(method, where, body = '', headers = '') {
    const bytes = Buffer.from(body);
    const head = `${method} /2018-06-01/runtime/${where} HTTP/1.1\r\nHost: runtime\r\nContent-Length: ${bytes.length}\r\n${headers}\r\n`;
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.socket.ref();
      this.socket.write(Buffer.concat([Buffer.from(head), bytes]));
    });
  }
}

// Handlers that answer piece by piece, and what they write before the body for HTTP.
const STREAMING = Symbol('streaming');
globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMING]: true }),
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.write(JSON.stringify(metadata));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

class Fault extends Error {
  constructor(kind, message, trace) {
    super(message);
    this.name = kind;
    if (trace) this.stack = `${kind}: ${message}\n${trace}`;
  }
}

function marshal(error) {
  if (error instanceof Error || (error && typeof error === 'object' && 'stack' in error)) {
    const lines = String(error.stack ?? '').split('\n');
    const own = lines.filter((line) => !line.includes('/var/runtime/'));
    return { errorType: error.name, errorMessage: error.message, trace: own };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function logged(title, error) {
  const told = marshal(error);
  const more = error && typeof error === 'object' && error.code ? { code: error.code } : {};
  const shown = { errorType: told.errorType, errorMessage: told.errorMessage, ...more, stack: told.trace };
  if (JSON_LOGS) {
    const lines = { timestamp: new Date().toISOString(), level: 'ERROR', requestId, message: { ...shown } };
    write(JSON.stringify(lines));
    return told;
  }
  write(`${new Date().toISOString()}\t${requestId}\tERROR\t${title}\t${JSON.stringify(shown)}`);
  return told;
}

function isModule(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const about = path.join(folder, 'package.json');
    if (existsSync(about)) return JSON.parse(readFileSync(about, 'utf8')).type === 'module';
    if (folder === path.dirname(folder)) return false;
  }
}

async function load(base) {
  const file = ['', '.js', '.mjs', '.cjs'].map((end) => base + end).find((name) => existsSync(name) && path.extname(name));
  if (!file) {
    throw new Fault('Runtime.ImportModuleError', `Error: Cannot find module '${path.basename(base)}'\nRequire stack:\n- /var/runtime/index.mjs`);
  }
  try {
    if (file.endsWith('.mjs') || (file.endsWith('.js') && isModule(file))) return await import(pathToFileURL(file).href);
    return createRequire(file)(file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Fault('Runtime.UserCodeSyntaxError', String(error), error.stack);
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new Fault('Runtime.ImportModuleError', `Error: ${error.message}`, error.stack);
    }
    throw error;
  }
}

async function findHandler(name) {
  const folder = path.dirname(name);
  const [module, ...rest] = path.basename(name).split('.');
  if (rest.length === 0) throw new Fault('Runtime.MalformedHandlerName', 'Bad handler');
  const loaded = await load(path.resolve(process.env.LAMBDA_TASK_ROOT, folder, module));
  const find = (from) => rest.reduce((value, part) => value?.[part], from);
  const handler = find(loaded) ?? find(loaded.default);
  if (handler === undefined) throw new Fault('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new Fault('Runtime.HandlerNotFound', `${name} is not a function`);
  return handler;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  const { env } = process;
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed('lambda-runtime-client-context'),
    identity: parsed('lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
  };
}

// Settles with what the handler returns, calls back with, or with nothing once nothing is left to happen.
function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    let called = false;
    const settle = (error, value) => (error ? reject(error) : resolve(value));
    const callback = (error, value) => {
      if (called) return;
      called = true;
      if (!context.callbackWaitsForEmptyEventLoop) return settle(error, value);
      process.removeAllListeners('beforeExit');
      process.once('beforeExit', () => settle(error, value));
    };
    process.removeAllListeners('beforeExit');
    process.once('beforeExit', () => resolve(null));
    context.done = callback;
    context.succeed = (value) => callback(null, value);
    context.fail = (error) => callback(error ?? new Error('handled'));
    const returned = handler(event, context, callback);
    if (typeof returned?.then === 'function') returned.then(resolve, reject);
  });
}

async function invoke(api, handler, { headers, body }) {
  const context = contextOf(headers);
  requestId = context.awsRequestId;
  if (headers['lambda-runtime-trace-id']) process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  const where = `invocation/${requestId}`;
  if (handler[STREAMING]) return invokeStreaming(api, handler, JSON.parse(body), context);
  let answer;
  try {
    const value = await run(handler, JSON.parse(body), context);
    answer = JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch (error) {
    const told = JSON.stringify(logged('Invoke Error', error));
    await api.call('POST', `${where}/error`, told);
    return;
  } finally {
    process.removeAllListeners('beforeExit');
  }
  await api.call('POST', `${where}/response`, answer);
}

async function invokeStreaming(api, handler, event, context) {
  const where = `invocation/${requestId}`;
  const stream = api.stream(where);
  const ended = new Promise((resolve, reject) => {
    stream.once('finish', resolve);
    stream.once('error', reject);
  });
  // Who writes it may fail before anybody waits for its end.
  ended.catch(() => {});
  try {
    await handler(event, stream, context);
    await ended;
    await stream.finished();
  } catch (error) {
    const told = logged('Invoke Error', error);
    await (stream.begun() ? stream.finished(told) : api.call('POST', `${where}/error`, JSON.stringify(told)));
  }
}

async function main() {
  patchConsole();
  const api = new Api(process.env.AWS_LAMBDA_RUNTIME_API);
  const fatal = (title) => async (error) => {
    const told = JSON.stringify(logged(title, error));
    const where = requestId ? `invocation/${requestId}/error` : 'init/error';
    api.waiting = undefined;
    await api.call('POST', where, told);
    process.exit(128 + 1);
  };
  const uncaught = fatal('Uncaught Exception');
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', (reason) => {
    fatal('Unhandled Promise Rejection')(new Fault('Runtime.UnhandledPromiseRejection', String(reason), reason?.stack));
  });
  let handler;
  try {
    handler = await findHandler(process.env._HANDLER);
  } catch (error) {
    await fatal('Uncaught Exception')(error);
  }
  for (;;) {
    requestId = undefined;
    await invoke(api, handler, await api.call('GET', 'invocation/next'));
  }
}

await main();
