// AWS SDK for JavaScript v3 as a program meets it, against the running cloud at AWS_ENDPOINT_URL. Ends at the first
// untrue thing.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { globalAgent } from "node:https";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";

import * as cloudformation from "@aws-sdk/client-cloudformation";
import * as dynamodb from "@aws-sdk/client-dynamodb";
import * as iam from "@aws-sdk/client-iam";
import * as lambda from "@aws-sdk/client-lambda";
import * as s3 from "@aws-sdk/client-s3";
import * as schemas from "@aws-sdk/client-schemas";
import * as secretsmanager from "@aws-sdk/client-secrets-manager";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import * as ssm from "@aws-sdk/client-ssm";
import * as sts from "@aws-sdk/client-sts";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import MessageValidator from "sns-validator";
import { Consumer } from "sqs-consumer";
import ts from "typescript";

const settings = { endpoint: process.env.AWS_ENDPOINT_URL, region: "us-east-1", maxAttempts: 1 };
const root = { accessKeyId: "test", secretAccessKey: "test" };
let checked = 0;

function holds(what) {
  checked += 1;
  console.log(`  holds: ${what}`);
}

function same(what, found, wanted) {
  assert.deepEqual(found, wanted, new Error(`UNTRUE: ${what}\n  wanted: ${show(wanted)}\n  is:     ${show(found)}`));
  holds(what);
}

const show = (value) => JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v));

/** The call is refused with this class, this name and this HTTP status; gives back the error. */
async function refused(what, call, kind, name, status) {
  const error = await call.then(() => null, (e) => e);
  assert.ok(error, `UNTRUE: ${what}: it was not refused`);
  same(`${what}: ${name}`, [error.name, error.$metadata?.httpStatusCode], [name, status]);
  assert.ok(error instanceof kind, `UNTRUE: ${what}: it is a ${error.constructor.name}`);
  holds(`${what}: a ${kind.name}`);
  return error;
}

const keysOf = (issued) => ({
  accessKeyId: issued.AccessKeyId,
  secretAccessKey: issued.SecretAccessKey,
  sessionToken: issued.SessionToken,
});

const policy = (...Statement) => JSON.stringify({ Version: "2012-10-17", Statement });

async function buckets() {
  const client = new s3.S3({ ...settings, credentials: root, forcePathStyle: true });
  const Bucket = "js-bucket";
  await client.createBucket({ Bucket });
  await s3.waitUntilBucketExists({ client, maxWaitTime: 10 }, { Bucket });
  // A stream of unknown content is signed chunk by chunk, and its checksum comes after it, in a trailer.
  const parts = Array.from({ length: 20 }, () => randomBytes(100_000));
  const whole = Buffer.concat(parts);
  let sent;
  client.middlewareStack.add((next) => (call) => ((sent = call.request.headers), next(call)), { step: "deserialize" });
  for (const [algorithm, bytes] of [["CRC32", 4], ["SHA256", 32]]) {
    const put = await client.putObject({
      Bucket, Key: algorithm, Body: Readable.from(parts), ContentLength: whole.length, ChecksumAlgorithm: algorithm,
    });
    same(`a stream with ${algorithm} sends it in a trailer`, sent["x-amz-trailer"], `x-amz-checksum-${algorithm.toLowerCase()}`);
    const sum = put[`Checksum${algorithm}`];
    same(`the answer has a checksum of ${bytes} bytes`, Buffer.from(sum, "base64").length, bytes);
    const got = await client.getObject({ Bucket, Key: algorithm, ChecksumMode: "ENABLED" });
    same("the stored checksum", got[`Checksum${algorithm}`], sum);
    // The SDK compares the checksum while the body is read.
    same("what is read", whole.equals(Buffer.from(await got.Body.transformToByteArray())), true);
  }
  const sha256 = createHash("sha256").update(whole).digest("base64");
  same("it is the body's", (await client.headObject({ Bucket, Key: "SHA256", ChecksumMode: "ENABLED" })).ChecksumSHA256, sha256);
  await refused("a wrong checksum", client.putObject({ Bucket, Key: "bad", Body: "x", ChecksumSHA256: sha256 }),
    s3.S3ServiceException, "BadDigest", 400);
  const names = ["ü & <é>", "a+b c", "it's%20so"];
  for (const Key of names) await client.putObject({ Bucket, Key: `names/${Key}`, Body: Key });
  const found = [];
  for await (const page of s3.paginateListObjectsV2({ client, pageSize: 1 }, { Bucket, Prefix: "names/" })) {
    found.push(...(page.Contents ?? []).map((o) => o.Key.slice(6)));
  }
  same("names that need escaping", found.sort(), [...names].sort());
  same("are read by them", await (await client.getObject({ Bucket, Key: `names/${names[0]}` })).Body.transformToString(), names[0]);
  await refused("a missing key", client.getObject({ Bucket, Key: "no" }), s3.NoSuchKey, "NoSuchKey", 404);
  await refused("a missing key's head", client.headObject({ Bucket, Key: "no" }), s3.NotFound, "NotFound", 404);
  await refused("a missing bucket", client.listObjectsV2({ Bucket: "js-no-bucket" }), s3.NoSuchBucket, "NoSuchBucket", 404);
  const other = new s3.S3({ ...settings, credentials: { accessKeyId: "111122223333", secretAccessKey: "x" }, forcePathStyle: true });
  await refused("a bucket that somebody has", other.createBucket({ Bucket }), s3.BucketAlreadyExists, "BucketAlreadyExists", 409);
  await refused("what is not built", client.getBucketMetadataTableConfiguration({ Bucket }), s3.S3ServiceException, "NotImplemented", 501);
  await client.putObject({ Bucket, Key: "names/people.csv", Body: "id,name\n1,Ann\n2,Bob\n" });
  const asked = { Bucket, Key: "names/people.csv", ExpressionType: "SQL", OutputSerialization: { JSON: {} },
    InputSerialization: { CSV: { FileHeaderInfo: "USE" } } };
  const selected = await client.selectObjectContent({ ...asked, Expression: "SELECT s.name FROM S3Object s WHERE s.id = 2" });
  const events = [];
  for await (const event of selected.Payload) events.push(event);
  same("selectObjectContent's records", Buffer.from(events[0].Records.Payload).toString(), '{"name":"Bob"}\n');
  same("how much it read", events[1].Stats.Details, { BytesScanned: 20, BytesProcessed: 20, BytesReturned: 15 });
  same("the end of it", events[2], { End: {} });
  await refused("an expression that is none", client.selectObjectContent({ ...asked, Expression: "SELECT" }),
    s3.S3ServiceException, "ParseEmptySelect", 400);
  const Objects = ["CRC32", "SHA256", "names/people.csv", ...names.map((n) => `names/${n}`)].map((Key) => ({ Key }));
  same("deleteObjects", (await client.deleteObjects({ Bucket, Delete: { Objects } })).Deleted.length, Objects.length);
  await client.deleteBucket({ Bucket });
}

/** The presigner puts nearly every header of S3's into the URL, so that whoever uses it need not send it. */
async function urls() {
  const user = new iam.IAM({ ...settings, credentials: root });
  await user.createUser({ UserName: "js-signer" });
  const PolicyDocument = policy({ Effect: "Allow", Action: "s3:*", Resource: "*" });
  await user.putUserPolicy({ UserName: "js-signer", PolicyName: "all", PolicyDocument });
  const { AccessKey } = await user.createAccessKey({ UserName: "js-signer" });
  const client = new s3.S3({ ...settings, credentials: keysOf(AccessKey), forcePathStyle: true });
  const object = { Bucket: "js-urls", Key: "k" };
  await client.createBucket({ Bucket: object.Bucket, ObjectOwnership: "BucketOwnerPreferred" });
  await client.deletePublicAccessBlock({ Bucket: object.Bucket });
  const said = { ...object, ACL: "public-read", Metadata: { colour: "red" }, StorageClass: "STANDARD_IA", Tagging: "a=b" };
  const url = await getSignedUrl(client, new s3.PutObjectCommand(said), { expiresIn: 60 });
  same("what the presigner puts into the URL", [...new URL(url).searchParams.keys()].filter((n) => n.startsWith("x-amz-")).sort(),
    ["x-amz-acl", "x-amz-checksum-crc32", "x-amz-meta-colour", "x-amz-sdk-checksum-algorithm", "x-amz-storage-class", "x-amz-tagging"]);
  const put = await fetch(url, { method: "PUT", body: "by URL" });
  same("a presigned PUT", put.status, 200);
  same("of which S3 takes no heed in a URL", put.headers.get("x-undercast-ignored").split(", ").sort(),
    ["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm", "x-amz-tagging"]);
  const head = await client.headObject(object);
  same("the rest is the object's", [head.Metadata, head.StorageClass], [{ colour: "red" }, "STANDARD_IA"]);
  same("its ACL", (await client.getObjectAcl(object)).Grants.length, 2);
  same("its tags", (await client.getObjectTagging(object)).TagSet, []);
  const kept = await getSignedUrl(client, new s3.PutObjectCommand(said), { expiresIn: 60, unhoistableHeaders: new Set(["x-amz-tagging"]) });
  same("tags that are signed and sent", (await fetch(kept, { method: "PUT", body: "2", headers: { "x-amz-tagging": "a=b" } })).status, 200);
  same("are there", (await client.getObjectTagging(object)).TagSet, [{ Key: "a", Value: "b" }]);
  const more = await fetch(url, { method: "PUT", body: "3", headers: { "x-amz-meta-size": "1" } });
  same("a header that was not signed", [more.status, (await more.text()).includes("HeadersNotSigned")], [403, true]);
  const get = await fetch(await getSignedUrl(client, new s3.GetObjectCommand(object), { expiresIn: 60 }));
  same("a presigned GET", [get.status, await get.text()], [200, "2"]);
  await client.deleteObject(object);
  await client.deleteBucket({ Bucket: object.Bucket });
}

async function queues() {
  const client = new sqs.SQS({ ...settings, credentials: root });
  const { QueueUrl } = await client.createQueue({ QueueName: "js-queue" });
  // The SDK compares the MD5 of each body itself, and throws where it differs.
  const MessageBody = "a body with ümläut";
  const MessageAttributes = {
    n: { DataType: "Number", StringValue: "12" }, b: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) } };
  const sent = await client.sendMessage({ QueueUrl, MessageBody, MessageAttributes });
  same("MD5OfMessageBody", sent.MD5OfMessageBody, createHash("md5").update(MessageBody).digest("hex"));
  const batch = await client.sendMessageBatch({ QueueUrl, Entries: ["x", "y"].map((v) => ({ Id: v, MessageBody: v })) });
  same("sendMessageBatch", batch.Successful.map((s) => s.Id).sort(), ["x", "y"]);
  const got = [];
  for (let n = 0; n < 10 && got.length < 3; n += 1) {
    const answer = await client.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"] });
    got.push(...(answer.Messages ?? []));
  }
  same("each is received once", got.map((m) => m.Body).sort(), [MessageBody, "x", "y"].sort());
  const attributes = got.find((m) => m.Body === MessageBody).MessageAttributes;
  same("with its attributes", [attributes.n.StringValue, [...attributes.b.BinaryValue]], ["12", [0, 255]]);
  for (const { ReceiptHandle } of got) await client.deleteMessage({ QueueUrl, ReceiptHandle });
  same("nothing is left", (await client.getQueueAttributes({ QueueUrl, AttributeNames: ["All"] })).Attributes.ApproximateNumberOfMessagesNotVisible, "0");
  await refused("an unknown queue", client.getQueueUrl({ QueueName: "js-no-queue" }),
    sqs.QueueDoesNotExist, "QueueDoesNotExist", 400);
  await refused("a handle that is none", client.deleteMessage({ QueueUrl, ReceiptHandle: "x" }),
    sqs.ReceiptHandleIsInvalid, "ReceiptHandleIsInvalid", 400);
  await refused("an empty batch", client.sendMessageBatch({ QueueUrl, Entries: [] }),
    sqs.EmptyBatchRequest, "EmptyBatchRequest", 400);
}

async function topics() {
  const topic = new sns.SNS({ ...settings, credentials: root });
  const queue = new sqs.SQS({ ...settings, credentials: root });
  const { QueueUrl } = await queue.createQueue({ QueueName: "js-inbox" });
  const { Attributes } = await queue.getQueueAttributes({ QueueUrl, AttributeNames: ["QueueArn"] });
  const { TopicArn } = await topic.createTopic({ Name: "js-topic" });
  const Policy = policy({ Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage",
    Resource: Attributes.QueueArn, Condition: { ArnEquals: { "aws:SourceArn": TopicArn } } });
  await queue.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  await topic.subscribe({ TopicArn, Protocol: "sqs", Endpoint: Attributes.QueueArn });
  const { MessageId } = await topic.publish({ TopicArn, Message: "news" });
  const { Messages } = await queue.receiveMessage({ QueueUrl, WaitTimeSeconds: 10 });
  const envelope = JSON.parse(Messages[0].Body);
  same("a topic's message in a queue", [envelope.MessageId, envelope.Message], [MessageId, "news"]);
  await refused("an unknown topic", topic.publish({ TopicArn: `${TopicArn}-no`, Message: "x" }),
    sns.NotFoundException, "NotFoundException", 404);
}

/** An HTTP endpoint that confirms its subscription, and checks signatures as AWS's validator does. */
async function endpoints() {
  const topic = new sns.SNS({ ...settings, credentials: root });
  const { TopicArn } = await topic.createTopic({ Name: "js-endpoint" });
  const got = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    got.push({ kind: request.headers["x-amz-sns-message-type"], message: JSON.parse(body) });
    server.emit("got");
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const next = async () => {
    while (got.length === 0) await once(server, "got");
    return got.shift();
  };
  // The validator takes certificates of AWS's hosts alone, unless it is told of others, and over HTTPS alone.
  const { port } = new URL(process.env.AWS_ENDPOINT_URL);
  globalAgent.options.rejectUnauthorized = false;
  const validator = new MessageValidator(new RegExp(`^localhost:${port}$`));
  const valid = (message) => new Promise((done) => validator.validate(message, (error) => done(error?.message ?? "valid")));
  await topic.subscribe({ TopicArn, Protocol: "http", Endpoint: `http://127.0.0.1:${server.address().port}/` });
  const asked = await next();
  same("a confirmation that is asked for", [asked.kind, await valid(asked.message)], ["SubscriptionConfirmation", "valid"]);
  same("the link confirms", (await fetch(asked.message.SubscribeURL)).status, 200);
  for (const version of ["1", "2"]) {
    await topic.setTopicAttributes({ TopicArn, AttributeName: "SignatureVersion", AttributeValue: version });
    await topic.publish({ TopicArn, Message: "news", Subject: "today" });
    const { message } = await next();
    same(`a notification with a signature of version ${version}`, [message.Message, message.SignatureVersion], ["news", version]);
    same("its signature", await valid(message), "valid");
    same("the same with other words", (await valid({ ...message, Message: "lies" })) === "valid", false);
  }
  await topic.deleteTopic({ TopicArn });
  server.close();
}

/** A FIFO topic, a FIFO queue, and a consumer that others wrote. */
async function consumers() {
  const topic = new sns.SNS({ ...settings, credentials: root });
  const client = new sqs.SQS({ ...settings, credentials: root });
  const { QueueUrl } = await client.createQueue({ QueueName: "js.fifo", Attributes: { FifoQueue: "true" } });
  const { Attributes } = await client.getQueueAttributes({ QueueUrl, AttributeNames: ["QueueArn"] });
  const { TopicArn } = await topic.createTopic({ Name: "js.fifo", Attributes: { FifoTopic: "true", ContentBasedDeduplication: "true" } });
  const Policy = policy({ Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage", Resource: Attributes.QueueArn });
  await client.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  await topic.subscribe({ TopicArn, Protocol: "sqs", Endpoint: Attributes.QueueArn, Attributes: { RawMessageDelivery: "true" } });
  const entries = Array.from({ length: 10 }, (_, n) => ({ Id: `${n}`, Message: `${n}`, MessageGroupId: `${n % 2}` }));
  const answer = await topic.publishBatch({ TopicArn, PublishBatchRequestEntries: entries });
  same("a batch", answer.Successful.length, 10);
  const seen = { 0: [], 1: [] };
  const consumer = Consumer.create({ queueUrl: QueueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 1,
    messageSystemAttributeNames: ["MessageGroupId"],
    handleMessage: async (message) => { seen[message.Attributes.MessageGroupId].push(message.Body); return message; } });
  consumer.start();
  for (let n = 0; n < 100 && seen[0].length + seen[1].length < 10; n += 1) await new Promise((done) => setTimeout(done, 100));
  consumer.stop();
  same("each group in its order", seen, { 0: ["0", "2", "4", "6", "8"], 1: ["1", "3", "5", "7", "9"] });
}

async function tables() {
  const client = new dynamodb.DynamoDB({ ...settings, credentials: root });
  const TableName = "js-table";
  await client.createTable({ TableName, BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }, { AttributeName: "n", AttributeType: "N" }],
    KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "n", KeyType: "RANGE" }] });
  await dynamodb.waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1 }, { TableName });
  const long = "12345678901234567890123456789012345678";
  const Item = { pk: { S: "a" }, n: { N: "1" }, long: { N: long }, small: { N: "-1E-130" }, binary: { B: new Uint8Array([0, 1, 255]) },
    numbers: { NS: ["3", "1"] }, map: { M: { list: { L: [{ NULL: true }, { BOOL: false }] } } } };
  await client.putItem({ TableName, Item });
  const got = (await client.getItem({ TableName, Key: { pk: Item.pk, n: Item.n } })).Item;
  same("38 digits", got.long.N, long);
  same("a number near the least", Number(got.small.N), -1e-130);
  same("binary", [...got.binary.B], [0, 1, 255]);
  same("a set of numbers", [...got.numbers.NS].sort(), ["1", "3"]);
  same("a list in a map", got.map.M.list.L, [{ NULL: true }, { BOOL: false }]);
  const puts = Array.from({ length: 25 }, (_, n) => ({ PutRequest: { Item: { pk: { S: "b" }, n: { N: `${n}` } } } }));
  const written = await client.batchWriteItem({ RequestItems: { [TableName]: puts } });
  same("batchWriteItem", written.UnprocessedItems, {});
  const numbers = [];
  const query = { TableName, KeyConditionExpression: "pk = :b", ExpressionAttributeValues: { ":b": { S: "b" } }, ScanIndexForward: false };
  let pages = 0;
  for await (const page of dynamodb.paginateQuery({ client, pageSize: 10 }, query)) {
    pages += 1;
    numbers.push(...page.Items.map((i) => Number(i.n.N)));
  }
  same("query, backwards, in pages", [pages, numbers], [3, Array.from({ length: 25 }, (_, n) => 24 - n)]);
  await refused("an unknown table", client.getItem({ TableName: "js-no-table", Key: { pk: { S: "a" } } }),
    dynamodb.ResourceNotFoundException, "ResourceNotFoundException", 400);
  const failed = await refused("a condition that fails", client.putItem({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD" }), dynamodb.ConditionalCheckFailedException, "ConditionalCheckFailedException", 400);
  same("it shows the item that was there", failed.Item?.long, { N: long });
  const cancelled = await refused("a transaction of which one fails", client.transactWriteItems({ TransactItems: [
    { Put: { TableName, Item: { pk: { S: "t" }, n: { N: "1" } } } },
    { ConditionCheck: { TableName, Key: { pk: Item.pk, n: Item.n }, ConditionExpression: "attribute_not_exists(pk)" } } ] }),
    dynamodb.TransactionCanceledException, "TransactionCanceledException", 400);
  same("its reasons", cancelled.CancellationReasons.map((r) => r.Code), ["None", "ConditionalCheckFailed"]);
  await refused("a table that exists", client.createTable({ TableName, BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }], KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }] }),
    dynamodb.ResourceInUseException, "ResourceInUseException", 400);
  await refused("39 digits", client.putItem({ TableName, Item: { ...Item, long: { N: `${long}9` } } }),
    dynamodb.DynamoDBServiceException, "ValidationException", 400);
  await client.deleteTable({ TableName });
  await dynamodb.waitUntilTableNotExists({ client, maxWaitTime: 20, minDelay: 1 }, { TableName });
}

async function roles() {
  const client = new iam.IAM({ ...settings, credentials: root });
  const mine = new sts.STS({ ...settings, credentials: root });
  same("getCallerIdentity", (await mine.getCallerIdentity({})).Arn, "arn:aws:iam::000000000000:root");
  await client.createUser({ UserName: "js-visitor" });
  await client.putUserPolicy({ UserName: "js-visitor", PolicyName: "may",
    PolicyDocument: policy({ Effect: "Allow", Action: "sts:AssumeRole", Resource: "*" }) });
  const key = keysOf((await client.createAccessKey({ UserName: "js-visitor" })).AccessKey);
  const trust = policy({ Effect: "Allow", Principal: { AWS: "arn:aws:iam::000000000000:root" }, Action: "sts:AssumeRole" });
  const { Role } = await client.createRole({ RoleName: "js-role", AssumeRolePolicyDocument: trust });
  await client.putRolePolicy({ RoleName: "js-role", PolicyName: "read",
    PolicyDocument: policy({ Effect: "Allow", Action: "dynamodb:ListTables", Resource: "*" }) });
  const assumed = await new sts.STS({ ...settings, credentials: key }).assumeRole({ RoleArn: Role.Arn, RoleSessionName: "visit" });
  const credentials = keysOf(assumed.Credentials);
  const table = new dynamodb.DynamoDB({ ...settings, credentials });
  same("a session does what its role may", Array.isArray((await table.listTables({})).TableNames), true);
  await refused("and not more", table.describeTable({ TableName: "js-table" }),
    dynamodb.DynamoDBServiceException, "AccessDeniedException", 400);
  await refused("nor elsewhere", new s3.S3({ ...settings, credentials, forcePathStyle: true }).listBuckets({}),
    s3.S3ServiceException, "AccessDenied", 403);
  const wrong = new sts.STS({ ...settings, credentials: { ...credentials, secretAccessKey: "wrong" } });
  await refused("a wrong secret", wrong.getCallerIdentity({}), sts.STSServiceException, "SignatureDoesNotMatch", 403);
  await refused("a role that exists", client.createRole({ RoleName: "js-role", AssumeRolePolicyDocument: trust }),
    iam.EntityAlreadyExistsException, "EntityAlreadyExistsException", 409);
  await refused("an unknown role", client.getRole({ RoleName: "js-no-role" }), iam.NoSuchEntityException, "NoSuchEntityException", 404);
}

/** A zip file of one file, stored as it is. */
function zip(name, text) {
  const [file, body] = [Buffer.from(name), Buffer.from(text)];
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt32LE(crc32(body), 10);
  fields.writeUInt32LE(body.length, 14);
  fields.writeUInt32LE(body.length, 18);
  fields.writeUInt16LE(file.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, file, body]);
  const central = Buffer.concat([Buffer.from("PK\x01\x02\x14\x03"), fields, Buffer.alloc(14), file]);
  central.writeUInt32LE(0o100644 * 65536, 38);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const CODE = `exports.handler = async (event) => {
  if (event.fail) throw new RangeError("on purpose");
  return { sum: event.numbers.reduce((a, b) => a + b, 0), name: process.env.AWS_LAMBDA_FUNCTION_NAME, said: process.env.SAID };
};`;

async function functions() {
  const client = new lambda.Lambda({ ...settings, credentials: root });
  const AssumeRolePolicyDocument = policy({ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" });
  const { Role } = await new iam.IAM({ ...settings, credentials: root }).createRole({ RoleName: "js-function", AssumeRolePolicyDocument });
  const FunctionName = "js-function";
  const create = { FunctionName, Runtime: process.env.NODE_RUNTIME, Role: Role.Arn, Handler: "index.handler", Timeout: 20,
    Code: { ZipFile: zip("index.js", CODE) }, Environment: { Variables: { SAID: "ümläut" } } };
  const made = await client.createFunction(create);
  same("CodeSha256", made.CodeSha256, createHash("sha256").update(create.Code.ZipFile).digest("base64"));
  await lambda.waitUntilFunctionActiveV2({ client, maxWaitTime: 20, minDelay: 1 }, { FunctionName });
  const run = await client.invoke({ FunctionName, Payload: JSON.stringify({ numbers: [1, 2, 3] }) });
  same("what it returns", [run.StatusCode, JSON.parse(run.Payload.transformToString())], [200, { sum: 6, name: FunctionName, said: "ümläut" }]);
  const failed = await client.invoke({ FunctionName, Payload: JSON.stringify({ fail: true }) });
  const told = JSON.parse(failed.Payload.transformToString());
  same("what it throws", [failed.FunctionError, told.errorType, told.errorMessage], ["Unhandled", "RangeError", "on purpose"]);
  await refused("a function that exists", client.createFunction(create), lambda.ResourceConflictException, "ResourceConflictException", 409);
  await refused("an unknown function", client.invoke({ FunctionName: "js-no-function" }),
    lambda.ResourceNotFoundException, "ResourceNotFoundException", 404);
  await client.deleteFunction({ FunctionName });
}

async function stacks() {
  const client = new cloudformation.CloudFormation({ ...settings, credentials: root });
  const StackName = "js-stack";
  const TemplateBody = JSON.stringify({
    Resources: { Queue: { Type: "AWS::SQS::Queue", Properties: { DelaySeconds: 7 } } },
    Outputs: { Url: { Value: { Ref: "Queue" } } } });
  await client.createStack({ StackName, TemplateBody });
  await cloudformation.waitUntilStackCreateComplete({ client, maxWaitTime: 30, minDelay: 1 }, { StackName });
  const [stack] = (await client.describeStacks({ StackName })).Stacks;
  const QueueUrl = stack.Outputs[0].OutputValue;
  const queue = new sqs.SQS({ ...settings, credentials: root });
  same("a stack's queue", (await queue.getQueueAttributes({ QueueUrl, AttributeNames: ["All"] })).Attributes.DelaySeconds, "7");
  await refused("a stack that exists", client.createStack({ StackName, TemplateBody }),
    cloudformation.AlreadyExistsException, "AlreadyExistsException", 400);
  await refused("a template that cannot be read", client.validateTemplate({ TemplateBody: "{" }),
    cloudformation.CloudFormationServiceException, "ValidationError", 400);
  await client.deleteStack({ StackName });
  await cloudformation.waitUntilStackDeleteComplete({ client, maxWaitTime: 30, minDelay: 1 }, { StackName: stack.StackId });
  await refused("its queue is gone", queue.getQueueAttributes({ QueueUrl, AttributeNames: ["All"] }),
    sqs.QueueDoesNotExist, "QueueDoesNotExist", 400);
}

/** A schema's code in TypeScript, which the compiler takes and node runs. */
async function registry() {
  const client = new schemas.Schemas({ ...settings, credentials: root });
  const RegistryName = "js-registry";
  const { RegistryArn } = await client.createRegistry({ RegistryName });
  same("a registry", RegistryArn, "arn:aws:schemas:us-east-1:000000000000:registry/js-registry");
  const text = { type: "string" };
  const Content = JSON.stringify({ openapi: "3.0.0", info: { title: "Order", version: "1.0.0" }, paths: {}, components: { schemas: {
    Order: { type: "object", required: ["order-id"], properties: { "order-id": text, at: { type: "string", format: "date-time" },
      lines: { type: "array", items: { $ref: "#/components/schemas/Line" } }, labels: { type: "object", additionalProperties: text } } },
    Line: { type: "object", properties: { sku: text, order: { $ref: "#/components/schemas/Order" } } } } } });
  const named = { RegistryName, SchemaName: "shop@Order" };
  const made = await client.createSchema({ ...named, Type: "OpenApi3", Content });
  same("a schema", [made.SchemaVersion, made.VersionCreatedDate instanceof Date], ["1", true]);
  await refused("a schema that nobody has", client.describeSchema({ RegistryName, SchemaName: "nobody" }),
    schemas.NotFoundException, "NotFoundException", 404);
  const refusal = await refused("a document of another kind", client.updateSchema({ ...named, Content: "{}" }),
    schemas.BadRequestException, "BadRequestException", 400);
  same("its members", [refusal.Code, refusal.message.startsWith("Content is not a valid OpenApi3 document")], ["BadRequestException", true]);
  const binding = { ...named, Language: "TypeScript3" };
  await client.putCodeBinding(binding);
  await schemas.waitUntilCodeBindingExists({ client, maxWaitTime: 20, minDelay: 1 }, binding);
  const folder = mkdtempSync(join(tmpdir(), "js-registry-"));
  writeFileSync(join(folder, "code.zip"), (await client.getCodeBindingSource(binding)).Body);
  execFileSync("python", ["-m", "zipfile", "-e", "code.zip", "."], { cwd: folder });
  const event = { "order-id": "o", at: "2026-01-01T00:00:00Z", lines: [{ sku: "s" }], labels: { a: "b" } };
  writeFileSync(join(folder, "main.ts"), `import { Marshaller, Order } from "./schema/shop/order";
const order: Order = Marshaller.unmarshall(${JSON.stringify(event)}, Order);
const sku: string | undefined = order.lines![0].sku;
const year: number = order.at!.getUTCFullYear();
order.orderId = "p";
export const found = [sku, year, Marshaller.marshall(order)];
`);
  const options = { strict: true, outDir: join(folder, "out"), module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2019,
    lib: ["lib.es2019.d.ts"], types: [] };
  const program = ts.createProgram([join(folder, "main.ts")], options);
  const said = ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, "\n"));
  same("the compiler has nothing to say of it", said, []);
  program.emit();
  const { found } = createRequire(import.meta.url)(join(folder, "out/main.js"));
  same("it reads and writes", found, ["s", 2026, { ...event, "order-id": "p" }]);
  rmSync(folder, { recursive: true });
  await client.deleteSchema(named);
  await client.deleteRegistry({ RegistryName });
}

async function secrets() {
  const client = new secretsmanager.SecretsManager({ ...settings, credentials: root });
  const SecretId = "js/secret";
  const { ARN, VersionId } = await client.createSecret({ Name: SecretId, SecretString: "ümläut" });
  const read = await client.getSecretValue({ SecretId: ARN });
  same("a secret's value", [read.SecretString, read.VersionId, read.CreatedDate instanceof Date], ["ümläut", VersionId, true]);
  await client.putSecretValue({ SecretId, SecretBinary: Buffer.from([0, 255]) });
  same("bytes", [...(await client.getSecretValue({ SecretId })).SecretBinary], [0, 255]);
  await refused("a token with another value", client.putSecretValue({ SecretId, SecretString: "x", ClientRequestToken: VersionId }),
    secretsmanager.ResourceExistsException, "ResourceExistsException", 400);
  await client.deleteSecret({ SecretId, ForceDeleteWithoutRecovery: true });
  await refused("a secret that is gone", client.getSecretValue({ SecretId }),
    secretsmanager.ResourceNotFoundException, "ResourceNotFoundException", 400);
}

async function parameters() {
  const client = new ssm.SSM({ ...settings, credentials: root });
  const Name = "/js/parameter";
  same("a parameter", (await client.putParameter({ Name, Value: "ümläut", Type: "SecureString" })).Version, 1);
  same("its value", (await client.getParameter({ Name, WithDecryption: true })).Parameter.Value, "ümläut");
  await refused("one that is there", client.putParameter({ Name, Value: "x", Type: "SecureString" }),
    ssm.ParameterAlreadyExists, "ParameterAlreadyExists", 400);
  await client.labelParameterVersion({ Name, Labels: ["first"] });
  await client.putParameter({ Name, Value: "two", Overwrite: true });
  const names = [];
  for await (const page of ssm.paginateGetParametersByPath({ client, pageSize: 1 }, { Path: "/js" })) names.push(...page.Parameters.map((p) => p.Version));
  same("below a path", names, [2]);
  same("by label", (await client.getParameter({ Name: `${Name}:first`, WithDecryption: true })).Parameter.Value, "ümläut");
  await client.deleteParameter({ Name });
  await refused("one that is gone", client.getParameter({ Name }), ssm.ParameterNotFound, "ParameterNotFound", 400);
}

for (const part of [buckets, urls, queues, topics, endpoints, consumers, tables, roles, functions, stacks, registry, secrets, parameters]) {
  // All parts, or those that are named.
  if (process.argv.length === 2 || process.argv.includes(part.name)) await part();
}
console.log(`JavaScript: ${checked} things hold`);
