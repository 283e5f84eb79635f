package undercast;

import static undercast.Check.eventually;
import static undercast.Check.refused;
import static undercast.Check.same;
import static undercast.Cloud.allow;
import static undercast.Cloud.policy;

import java.io.ByteArrayOutputStream;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.enhanced.dynamodb.DynamoDbEnhancedClient;
import software.amazon.awssdk.enhanced.dynamodb.Key;
import software.amazon.awssdk.enhanced.dynamodb.TableSchema;
import software.amazon.awssdk.enhanced.dynamodb.model.QueryConditional;
import software.amazon.awssdk.enhanced.dynamodb.model.WriteBatch;
import software.amazon.awssdk.services.cloudwatchlogs.CloudWatchLogsClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.ConditionalCheckFailedException;
import software.amazon.awssdk.services.dynamodb.model.DynamoDbException;
import software.amazon.awssdk.services.dynamodb.model.ProjectionType;
import software.amazon.awssdk.services.dynamodb.model.ResourceNotFoundException;
import software.amazon.awssdk.services.dynamodb.model.TransactionCanceledException;
import software.amazon.awssdk.services.iam.IamClient;
import software.amazon.awssdk.services.iam.model.EntityAlreadyExistsException;
import software.amazon.awssdk.services.iam.model.NoSuchEntityException;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;
import software.amazon.awssdk.services.lambda.LambdaClient;
import software.amazon.awssdk.services.lambda.model.LogType;
import software.amazon.awssdk.services.lambda.model.ResourceConflictException;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sns.model.NotFoundException;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.batchmanager.SqsAsyncBatchManager;
import software.amazon.awssdk.services.sqs.model.EmptyBatchRequestException;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.auth.StsAssumeRoleCredentialsProvider;
import software.amazon.awssdk.services.sts.model.StsException;

/** The other services, by what this SDK does in its own way. */
final class Others {
    private static final IamClient iam = Cloud.client(IamClient.builder());
    private static final SqsClient sqs = Cloud.client(SqsClient.builder());

    private Others() {}

    static void run() throws Exception {
        tables();
        queues();
        topics();
        roles();
        keys();
        functions();
    }

    private static void tables() {
        var client = Cloud.client(DynamoDbClient.builder());
        var counting = DynamoDbEnhancedClient.builder().dynamoDbClient(client).build();
        var table = counting.table("java-table", TableSchema.fromBean(Row.class));
        table.createTable(t -> t.globalSecondaryIndices(i -> i.indexName("colours").projection(p -> p.projectionType(ProjectionType.ALL))));
        client.waiter().waitUntilTableExists(t -> t.tableName("java-table"));
        table.putItem(Row.of("ann", 1, "blue"));
        var got = table.getItem(Key.builder().partitionValue("ann").sortValue(1).build());
        same("a row by the mapper", got.toString(), "ann/1 blue 2023-11-14T22:13:20.000000005Z [x, ü] {a=1, b=-2} v1");
        got.setColour("red");
        same("the mapper counts its writes", table.updateItem(got).getVersion(), 2L);
        got.setColour("green");
        refused("a write over somebody else's", ConditionalCheckFailedException.class, "ConditionalCheckFailedException", 400,
            () -> table.updateItem(got));
        // A batch has no conditions, so that the mapper may not count its writes.
        var enhanced = DynamoDbEnhancedClient.builder().dynamoDbClient(client).extensions(List.of()).build();
        var plain = enhanced.table("java-table", TableSchema.fromBean(Row.class));
        var batch = WriteBatch.builder(Row.class).mappedTableResource(plain);
        IntStream.range(0, 25).forEach(n -> batch.addPutItem(Row.of("bob", n, n % 5 == 0 ? "red" : "blue")));
        same("25 rows at once", enhanced.batchWriteItem(b -> b.writeBatches(batch.build())).unprocessedPutItemsForTable(plain), List.of());
        var pages = table.query(q -> q.queryConditional(QueryConditional.sortBetween(
            Key.builder().partitionValue("bob").sortValue(3).build(), Key.builder().partitionValue("bob").sortValue(12).build()))
            .limit(4).scanIndexForward(false));
        same("a range, backwards, in pages", pages.stream().map(p -> p.items().stream().map(Row::getAt).toList()).toList(),
            List.of(List.of(12, 11, 10, 9), List.of(8, 7, 6, 5), List.of(4, 3)));
        var reds = table.index("colours").query(QueryConditional.keyEqualTo(k -> k.partitionValue("red")));
        same("by an index", reds.stream().flatMap(p -> p.items().stream()).count(), 6L);
        same("a scan", table.scan(s -> s.limit(7)).items().stream().count(), 26L);
        var cancelled = refused("a transaction of which one fails", TransactionCanceledException.class, "TransactionCanceledException", 400,
            () -> {
                counting.transactWriteItems(t -> t.addPutItem(table, Row.of("eve", 1, "red"))
                    .addPutItem(table, Row.of("ann", 1, "red")));
                return null;
            });
        same("its reasons", cancelled.cancellationReasons().stream().map(r -> r.code()).toList(), List.of("None", "ConditionalCheckFailed"));
        refused("a key of the wrong type", DynamoDbException.class, "ValidationException", 400, () -> client.getItem(g -> g
            .tableName("java-table").key(Map.of("who", software.amazon.awssdk.services.dynamodb.model.AttributeValue.fromN("1")))));
        table.deleteTable();
        client.waiter().waitUntilTableNotExists(t -> t.tableName("java-table"));
        refused("the table is gone", ResourceNotFoundException.class, "ResourceNotFoundException", 400,
            () -> table.getItem(Key.builder().partitionValue("ann").sortValue(1).build()));
    }

    private static void queues() throws Exception {
        var url = sqs.createQueue(q -> q.queueName("java-queue")).queueUrl();
        // The SDK compares the MD5 of each body, and throws where it differs.
        sqs.sendMessage(m -> m.queueUrl(url).messageBody("ümläut").messageAttributes(Map.of(
            "n", software.amazon.awssdk.services.sqs.model.MessageAttributeValue.builder().dataType("Number").stringValue("12").build(),
            "b", software.amazon.awssdk.services.sqs.model.MessageAttributeValue.builder().dataType("Binary")
                .binaryValue(SdkBytes.fromByteArray(new byte[] {0, -1})).build())));
        var got = sqs.receiveMessage(r -> r.queueUrl(url).messageAttributeNames("All").messageSystemAttributeNamesWithStrings("All")).messages().get(0);
        same("a message", got.body() + got.messageAttributes().get("n").stringValue() + got.messageAttributes().get("b").binaryValue().asByteArray()[1],
            "ümläut12-1");
        sqs.deleteMessage(d -> d.queueUrl(url).receiptHandle(got.receiptHandle()));
        try (var client = Cloud.client(SqsAsyncClient.builder());
            var manager = SqsAsyncBatchManager.builder().client(client)
                .scheduledExecutor(java.util.concurrent.Executors.newScheduledThreadPool(2)).build()) {
            var sent = IntStream.range(0, 25).mapToObj(n -> manager.sendMessage(m -> m.queueUrl(url).messageBody("m" + n))).toList();
            same("25 messages that the SDK sends together", sent.stream().map(s -> s.join().messageId()).distinct().count(), 25L);
            var bodies = new HashSet<String>();
            for (var tries = 0; tries < 20 && bodies.size() < 25; tries++) {
                var messages = manager.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(10)).join().messages();
                messages.forEach(m -> manager.deleteMessage(d -> d.queueUrl(url).receiptHandle(m.receiptHandle())));
                messages.stream().map(Message::body).forEach(bodies::add);
            }
            same("each is received", bodies.size(), 25);
        }
        eventually("and deleted", "0 0", () -> {
            var counts = sqs.getQueueAttributes(q -> q.queueUrl(url).attributeNames(QueueAttributeName.ALL)).attributes();
            return counts.get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES) + " "
                + counts.get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE);
        });
        refused("an unknown queue", QueueDoesNotExistException.class, "AWS.SimpleQueueService.NonExistentQueue", 400,
            () -> sqs.getQueueUrl(q -> q.queueName("java-no-queue")));
        refused("an empty batch", EmptyBatchRequestException.class, "AWS.SimpleQueueService.EmptyBatchRequest", 400,
            () -> sqs.sendMessageBatch(b -> b.queueUrl(url).entries(List.of())));
    }

    private static void topics() {
        var sns = Cloud.client(SnsClient.builder());
        var url = sqs.createQueue(q -> q.queueName("java-inbox")).queueUrl();
        var queue = sqs.getQueueAttributes(q -> q.queueUrl(url).attributeNames(QueueAttributeName.QUEUE_ARN)).attributes()
            .get(QueueAttributeName.QUEUE_ARN);
        var topic = sns.createTopic(t -> t.name("java-topic")).topicArn();
        sqs.setQueueAttributes(q -> q.queueUrl(url).attributes(Map.of(QueueAttributeName.POLICY, policy(
            "{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"" + queue
            + "\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"" + topic + "\"}}}"))));
        sns.subscribe(s -> s.topicArn(topic).protocol("sqs").endpoint(queue).attributes(Map.of("RawMessageDelivery", "true")));
        sns.publish(p -> p.topicArn(topic).message("news"));
        same("a topic's message in a queue", sqs.receiveMessage(r -> r.queueUrl(url).waitTimeSeconds(10)).messages().get(0).body(), "news");
        refused("an unknown topic", NotFoundException.class, "NotFound", 404, () -> sns.publish(p -> p.topicArn(topic + "-no").message("x")));
    }

    private static void roles() {
        var mine = Cloud.client(StsClient.builder());
        same("who one is", mine.getCallerIdentity().arn(), "arn:aws:iam::" + Cloud.ACCOUNT + ":root");
        var visitor = Cloud.user("java-visitor", "sts:AssumeRole");
        var trust = policy("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::" + Cloud.ACCOUNT + ":root\"},\"Action\":\"sts:AssumeRole\"}");
        var role = iam.createRole(r -> r.roleName("java-role").assumeRolePolicyDocument(trust)).role();
        iam.putRolePolicy(p -> p.roleName("java-role").policyName("list").policyDocument(allow("dynamodb:ListTables")));
        try (var sts = Cloud.client(StsClient.builder(), visitor);
            var provider = StsAssumeRoleCredentialsProvider.builder().stsClient(sts)
                .refreshRequest(r -> r.roleArn(role.arn()).roleSessionName("visit")).build()) {
            var session = (AwsSessionCredentials) provider.resolveCredentials();
            var tables = Cloud.client(DynamoDbClient.builder(), session);
            same("a session does what its role may", tables.listTables().tableNames().contains("java-none"), false);
            refused("and not more", DynamoDbException.class, "AccessDeniedException", 400, () -> tables.describeTable(t -> t.tableName("x")));
            var wrong = AwsSessionCredentials.create(session.accessKeyId(), "wrong", session.sessionToken());
            refused("a wrong secret", StsException.class, "SignatureDoesNotMatch", 403,
                () -> Cloud.client(StsClient.builder(), wrong).getCallerIdentity());
        }
        refused("a role that exists", EntityAlreadyExistsException.class, "EntityAlreadyExists", 409,
            () -> iam.createRole(r -> r.roleName("java-role").assumeRolePolicyDocument(trust)));
        refused("an unknown role", NoSuchEntityException.class, "NoSuchEntity", 404, () -> iam.getRole(r -> r.roleName("java-none")));
        IntStream.range(0, 5).forEach(n -> iam.createUser(u -> u.userName("java-user-" + n).path("/java/")));
        same("users in pages", iam.listUsersPaginator(u -> u.pathPrefix("/java/").maxItems(2)).stream().map(p -> p.users().size()).toList(),
            List.of(2, 2, 1));
    }

    private static void keys() {
        var kms = Cloud.client(KmsClient.builder());
        var key = kms.createKey(k -> k.description("java")).keyMetadata();
        var sealed = kms.encrypt(e -> e.keyId(key.keyId()).plaintext(SdkBytes.fromUtf8String("hello")).encryptionContext(Map.of("a", "b"))).ciphertextBlob();
        same("what was encrypted is decrypted", kms.decrypt(d -> d.ciphertextBlob(sealed).encryptionContext(Map.of("a", "b"))).plaintext().asUtf8String(),
            "hello");
        refused("in another context", InvalidCiphertextException.class, "InvalidCiphertextException", 400, () -> kms.decrypt(d -> d.ciphertextBlob(sealed)));
        var signer = kms.createKey(k -> k.keySpec("RSA_2048").keyUsage("SIGN_VERIFY")).keyMetadata().keyId();
        var signature = kms.sign(s -> s.keyId(signer).message(SdkBytes.fromUtf8String("hello")).signingAlgorithm("RSASSA_PSS_SHA_256")).signature();
        same("a signature is good", kms.verify(v -> v.keyId(signer).message(SdkBytes.fromUtf8String("hello")).signature(signature)
            .signingAlgorithm("RSASSA_PSS_SHA_256")).signatureValid(), true);
    }

    private static void functions() throws Exception {
        var lambda = Cloud.client(LambdaClient.builder());
        var logs = Cloud.client(CloudWatchLogsClient.builder());
        var trust = policy("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"lambda.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}");
        var role = iam.createRole(r -> r.roleName("java-function").assumeRolePolicyDocument(trust)).role().arn();
        iam.putRolePolicy(p -> p.roleName("java-function").policyName("logs").policyDocument(allow("logs:*")));
        var packed = new ByteArrayOutputStream();
        try (var zip = new ZipOutputStream(packed)) {
            zip.putNextEntry(new ZipEntry("app.py"));
            zip.write("def handler(event, context):\n    print('called with', event)\n    return {'sum': sum(event['numbers'])}\n".getBytes());
        }
        var name = "java-function";
        var code = SdkBytes.fromByteArray(packed.toByteArray());
        lambda.createFunction(f -> f.functionName(name).runtime(System.getenv("PYTHON_RUNTIME")).role(role).handler("app.handler").timeout(20)
            .code(c -> c.zipFile(code)));
        lambda.waiter().waitUntilFunctionActiveV2(f -> f.functionName(name));
        var answer = lambda.invoke(i -> i.functionName(name).payload(SdkBytes.fromUtf8String("{\"numbers\":[1,2,3]}")).logType(LogType.TAIL));
        same("what a function returns", answer.payload().asUtf8String() + answer.functionError(), "{\"sum\": 6}null");
        var failed = lambda.invoke(i -> i.functionName(name).payload(SdkBytes.fromUtf8String("{}")));
        same("what it raises", failed.functionError() + failed.payload().asUtf8String().contains("\"errorType\": \"KeyError\""), "Unhandledtrue");
        eventually("what it printed", 2L, () -> logs.filterLogEventsPaginator(l -> l.logGroupName("/aws/lambda/" + name).filterPattern("\"called with\""))
            .events().stream().count());
        refused("a function that exists", ResourceConflictException.class, "ResourceConflictException", 409, () -> lambda.createFunction(f -> f
            .functionName(name).runtime(System.getenv("PYTHON_RUNTIME")).role(role).handler("app.handler").code(c -> c.zipFile(code))));
        lambda.deleteFunction(f -> f.functionName(name));
        refused("the function is gone", software.amazon.awssdk.services.lambda.model.ResourceNotFoundException.class, "ResourceNotFoundException", 404,
            () -> lambda.invoke(i -> i.functionName(name)));
    }
}
