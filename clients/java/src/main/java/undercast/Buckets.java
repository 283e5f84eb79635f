package undercast;

import static java.nio.charset.StandardCharsets.UTF_8;
import static undercast.Check.refused;
import static undercast.Check.same;

import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.sync.ResponseTransformer;
import software.amazon.awssdk.http.ContentStreamProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.AccessDeniedException;
import software.amazon.awssdk.services.s3.model.BucketAlreadyExistsException;
import software.amazon.awssdk.services.s3.model.BucketAlreadyOwnedByYouException;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.CommonPrefix;
import software.amazon.awssdk.services.s3.model.DeleteMarkerEntry;
import software.amazon.awssdk.services.s3.model.EncodingType;
import software.amazon.awssdk.services.s3.model.EncryptionType;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.InvalidRequestException;
import software.amazon.awssdk.services.s3.model.MetadataDirective;
import software.amazon.awssdk.services.s3.model.NoSuchBucketException;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.NoSuchUploadException;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.ObjectVersion;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.model.ServerSideEncryption;
import software.amazon.awssdk.services.s3.model.StorageClass;
import software.amazon.awssdk.services.s3.model.Tag;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

/** S3 by its own client. */
final class Buckets {
    private static final String BUCKET = "java-bucket";
    private static final S3Client s3 = Cloud.client(Cloud.buckets());

    private Buckets() {}

    static void run() throws Exception {
        s3.createBucket(b -> b.bucket(BUCKET));
        s3.waiter().waitUntilBucketExists(b -> b.bucket(BUCKET));
        objects();
        streams();
        copies();
        listings();
        oddKeys();
        conditions();
        tags();
        encryption();
        presigned();
        errors();
        emptied(s3, BUCKET);
        s3.deleteBucket(b -> b.bucket(BUCKET));
        s3.waiter().waitUntilBucketNotExists(b -> b.bucket(BUCKET));
        versions();
        regions();
        virtualHosts();
    }

    private static String text(String key) {
        return s3.getObjectAsBytes(b -> b.bucket(BUCKET).key(key)).asUtf8String();
    }

    private static void put(String key, String body) {
        s3.putObject(b -> b.bucket(BUCKET).key(key), RequestBody.fromString(body));
    }

    /** Deletes each object, by the hundred. */
    static void emptied(S3Client client, String bucket) {
        for (var page : client.listObjectsV2Paginator(b -> b.bucket(bucket).maxKeys(100))) {
            var all = page.contents().stream().map(o -> ObjectIdentifier.builder().key(o.key()).build()).toList();
            if (!all.isEmpty()) {
                var done = client.deleteObjects(b -> b.bucket(bucket).delete(d -> d.objects(all)));
                same("each of a page is deleted", done.deleted().size() + " " + done.errors(), all.size() + " []");
            }
        }
    }

    private static void objects() {
        var sent = Map.of("colour", "blue", "two-words", "a  b");
        var expires = Instant.ofEpochSecond(2_000_000_000);
        var made = s3.putObject(b -> b.bucket(BUCKET).key("first").metadata(sent).contentType("text/x-java")
            .cacheControl("max-age=5").contentDisposition("inline").contentLanguage("de").contentEncoding("identity")
            .expires(expires).storageClass(StorageClass.STANDARD_IA), RequestBody.fromString("hällo"));
        same("the default checksum is CRC32", made.checksumCRC32() != null, true);
        var got = s3.getObject(b -> b.bucket(BUCKET).key("first").checksumMode(ChecksumMode.ENABLED),
            ResponseTransformer.toBytes());
        same("a body", got.asUtf8String(), "hällo");
        var head = got.response();
        same("its headers",
            List.of(head.metadata(), head.contentType(), head.cacheControl(), head.contentDisposition(),
                head.contentLanguage(), head.contentEncoding(), head.expiresString(), head.storageClass(),
                head.contentLength(), head.eTag(), head.checksumCRC32()),
            List.of(sent, "text/x-java", "max-age=5", "inline", "de", "identity", "Wed, 18 May 2033 03:33:20 GMT",
                StorageClass.STANDARD_IA, 6L, made.eTag(), made.checksumCRC32()));
        s3.waiter().waitUntilObjectExists(b -> b.bucket(BUCKET).key("first"));
        var attributes = s3.getObjectAttributes(b -> b.bucket(BUCKET).key("first")
            .objectAttributesWithStrings("ETag", "Checksum", "ObjectSize", "StorageClass"));
        same("its attributes",
            List.of(attributes.eTag(), attributes.checksum().checksumCRC32(), attributes.objectSize()),
            List.of(made.eTag().replace("\"", ""), made.checksumCRC32(), 6L));
        var range = s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("first").range("bytes=-3"));
        same("the end of it", range.asUtf8String() + " " + range.response().contentRange(), "llo bytes 3-5/6");
        var named = s3.getObject(b -> b.bucket(BUCKET).key("first").responseContentType("a/b")
            .responseContentDisposition("attachment; filename=\"x y\""),
            ResponseTransformer.toBytes()).response();
        same("headers that the request says", named.contentType() + " " + named.contentDisposition(),
            "a/b attachment; filename=\"x y\"");
        s3.deleteObject(b -> b.bucket(BUCKET).key("first"));
        s3.waiter().waitUntilObjectNotExists(b -> b.bucket(BUCKET).key("first"));
        s3.putObject(b -> b.bucket(BUCKET).key("empty"), RequestBody.empty());
        same("nothing", text("empty"), "");
    }

    /** Bodies whose length or content is not known before: signed in chunks, or by their trailer. */
    private static void streams() throws Exception {
        var bytes = new byte[300_000];
        new SecureRandom().nextBytes(bytes);
        var sha = Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(bytes));
        for (var algorithm : List.of(ChecksumAlgorithm.SHA256, ChecksumAlgorithm.SHA1, ChecksumAlgorithm.CRC32_C,
            ChecksumAlgorithm.CRC64_NVME)) {
            var made = s3.putObject(b -> b.bucket(BUCKET).key("stream").checksumAlgorithm(algorithm),
                RequestBody.fromContentProvider(ContentStreamProvider.fromByteArray(bytes), bytes.length, "a/b"));
            var got = s3.getObject(b -> b.bucket(BUCKET).key("stream").checksumMode(ChecksumMode.ENABLED),
                ResponseTransformer.toBytes());
            same("a stream with " + algorithm, Arrays.equals(got.asByteArray(), bytes), true);
            // The SDK compares what it can; this one it is told is the body's.
            same("its checksum", algorithm == ChecksumAlgorithm.SHA256 ? got.response().checksumSHA256() : sha, sha);
            same("told with the body as with the answer",
                List.of(sums(got.response().sdkFields(), got.response())), List.of(sums(made.sdkFields(), made)));
        }
        var unknown = RequestBody.fromContentProvider(ContentStreamProvider.fromByteArray(bytes), "a/b");
        s3.putObject(b -> b.bucket(BUCKET).key("stream"), unknown);
        same("a stream of unknown length", s3.headObject(b -> b.bucket(BUCKET).key("stream")).contentLength(), 300_000L);
        refused("a wrong checksum", S3Exception.class, "BadDigest", 400, () -> s3.putObject(
            b -> b.bucket(BUCKET).key("bad").checksumSHA256(sha), RequestBody.fromString("x")));
        refused("what was refused is not there", NoSuchKeyException.class, "NoSuchKey", 404, () -> text("bad"));
    }

    private static List<String> sums(List<software.amazon.awssdk.core.SdkField<?>> fields, Object of) {
        return fields.stream().filter(f -> f.memberName().startsWith("Checksum") && !f.memberName().endsWith("Type"))
            .map(f -> f.memberName() + "=" + f.getValueOrDefault(of)).sorted().toList();
    }

    private static void copies() {
        s3.putObject(b -> b.bucket(BUCKET).key("from é+ %").metadata(Map.of("a", "b")).tagging("t=1"),
            RequestBody.fromString("copied"));
        var copy = s3.copyObject(b -> b.sourceBucket(BUCKET).sourceKey("from é+ %").destinationBucket(BUCKET)
            .destinationKey("to é+ %").checksumAlgorithm(ChecksumAlgorithm.SHA1));
        var head = s3.headObject(b -> b.bucket(BUCKET).key("to é+ %").checksumMode(ChecksumMode.ENABLED));
        same("a copy", text("to é+ %") + head.metadata() + head.checksumSHA1(),
            "copied{a=b}" + copy.copyObjectResult().checksumSHA1());
        same("with its tags", s3.getObjectTagging(b -> b.bucket(BUCKET).key("to é+ %")).tagSet().toString(),
            "[Tag(Key=t, Value=1)]");
        refused("a copy of itself onto itself", InvalidRequestException.class, "InvalidRequest", 400, () -> s3.copyObject(b -> b
            .sourceBucket(BUCKET).sourceKey("from é+ %").destinationBucket(BUCKET).destinationKey("from é+ %")));
        s3.copyObject(b -> b.sourceBucket(BUCKET).sourceKey("from é+ %").destinationBucket(BUCKET)
            .destinationKey("from é+ %").metadataDirective(MetadataDirective.REPLACE).metadata(Map.of("c", "d")));
        same("new metadata", s3.headObject(b -> b.bucket(BUCKET).key("from é+ %")).metadata(), Map.of("c", "d"));
        refused("a copy of what is not there", NoSuchKeyException.class, "NoSuchKey", 404, () -> s3.copyObject(b -> b
            .sourceBucket(BUCKET).sourceKey("no").destinationBucket(BUCKET).destinationKey("x")));
        refused("a copy on a condition", S3Exception.class, "PreconditionFailed", 412, () -> s3.copyObject(b -> b
            .sourceBucket(BUCKET).sourceKey("to é+ %").destinationBucket(BUCKET).destinationKey("x")
            .copySourceIfNoneMatch(copy.copyObjectResult().eTag())));
    }

    private static void listings() {
        IntStream.range(0, 25).forEach(n -> put("list/%d/%02d".formatted(n / 10, n), ""));
        var pages = s3.listObjectsV2Paginator(b -> b.bucket(BUCKET).prefix("list/").maxKeys(10));
        same("pages", pages.stream().map(p -> p.contents().size()).toList(), List.of(10, 10, 5));
        same("each key once, in order", pages.contents().stream().map(S3Object::key).toList(),
            IntStream.range(0, 25).mapToObj(n -> "list/%d/%02d".formatted(n / 10, n)).toList());
        var folders = s3.listObjectsV2Paginator(b -> b.bucket(BUCKET).prefix("list/").delimiter("/").maxKeys(2));
        same("folders", folders.commonPrefixes().stream().map(CommonPrefix::prefix).toList(),
            List.of("list/0/", "list/1/", "list/2/"));
        same("how many there are", folders.stream().map(p -> p.keyCount()).toList(), List.of(2, 1));
        var after = s3.listObjectsV2(b -> b.bucket(BUCKET).prefix("list/").startAfter("list/2/21").fetchOwner(true));
        same("after a key, with its owner",
            after.contents().size() + " " + (after.contents().get(0).owner().id() != null), "3 true");
        var old = s3.listObjects(b -> b.bucket(BUCKET).prefix("list/").delimiter("/").maxKeys(1));
        same("the first list", old.isTruncated() + " " + old.nextMarker(), "true list/0/");
        same("the bucket is listed", s3.listBucketsPaginator(b -> b.maxBuckets(1).prefix("java-")).buckets().stream()
            .map(b -> b.name() + " " + b.bucketRegion()).toList(), List.of(BUCKET + " us-east-1"));
    }

    /** Names that are hard to say in a URL, or in XML. */
    private static void oddKeys() {
        var keys = List.of(" ", "a b", "a+b", "a%20b", "a%2Fb", "a//b", "/a", "a/", ".", "..", "../up", "in/../out", "./here",
            "ü", "u\u0308", "日本", "\uD83D\uDE00", "\uE000", "&<>\"'", "a?b=c#d", "a;b:c,d", "\\", "~!*()$@=^`{|}[]", "tab\there",
            "line\nfeed", "return\rhere", "bell\u0007", "del\u007f", "\u0085", "\uFFFE", "a" + "b".repeat(1013) + "c/dots");
        for (var key : keys) {
            put("odd/" + key, key);
        }
        for (var key : keys) {
            same("a body by the key " + shown(key), text("odd/" + key), key);
        }
        // By their bytes in UTF-8, in which the emoji comes after the private use character.
        var sorted = keys.stream().sorted((a, b) -> Arrays.compareUnsigned(a.getBytes(UTF_8), b.getBytes(UTF_8)))
            .map(k -> "odd/" + k).toList();
        for (var size : List.of(3, 1000)) {
            var found = new ArrayList<String>();
            for (var page : s3.listObjectsV2Paginator(
                b -> b.bucket(BUCKET).prefix("odd/").encodingType(EncodingType.URL).maxKeys(size))) {
                page.contents().forEach(o -> found.add(o.key()));
            }
            same("all of them, listed by " + size, found, sorted);
        }
        var first = s3.listObjects(b -> b.bucket(BUCKET).prefix("odd/a").delimiter("/").encodingType(EncodingType.URL));
        same("the first list of some", first.contents().size() + " " + first.commonPrefixes().stream()
            .map(c -> c.prefix().substring(0, 6)).toList(), "6 [odd/a/, odd/ab]");
        var all = sorted.stream().filter(k -> !k.contains("\u0007") && !k.contains("\uFFFE"))
            .map(k -> ObjectIdentifier.builder().key(k).build()).toList();
        var done = s3.deleteObjects(b -> b.bucket(BUCKET).delete(d -> d.objects(all)));
        same("all that XML can name, deleted at once", done.deleted().stream().map(d -> d.key()).sorted().toList(),
            all.stream().map(ObjectIdentifier::key).sorted().toList());
        same("the rest is left", s3.listObjectsV2(b -> b.bucket(BUCKET).prefix("odd/").encodingType(EncodingType.URL))
            .contents().stream().map(S3Object::key).toList(), List.of("odd/bell\u0007", "odd/\uFFFE"));
        for (var key : List.of("odd/bell\u0007", "odd/\uFFFE")) {
            s3.deleteObject(b -> b.bucket(BUCKET).key(key));
        }
        same("and goes one by one", s3.listObjectsV2(b -> b.bucket(BUCKET).prefix("odd/")).keyCount(), 0);
    }

    private static String shown(String key) {
        var line = new StringBuilder();
        key.codePoints().limit(20).forEach(c -> line.append(c < 32 || c > 126 ? "\\u{%x}".formatted(c) : Character.toString(c)));
        return line.toString();
    }

    private static void conditions() {
        var first = s3.putObject(b -> b.bucket(BUCKET).key("if").ifNoneMatch("*"), RequestBody.fromString("1")).eTag();
        refused("a second first write", S3Exception.class, "PreconditionFailed", 412, () -> s3.putObject(
            b -> b.bucket(BUCKET).key("if").ifNoneMatch("*"), RequestBody.fromString("2")));
        var second = s3.putObject(b -> b.bucket(BUCKET).key("if").ifMatch(first), RequestBody.fromString("2")).eTag();
        refused("a write over what is no more", S3Exception.class, "PreconditionFailed", 412, () -> s3.putObject(
            b -> b.bucket(BUCKET).key("if").ifMatch(first), RequestBody.fromString("3")));
        refused("a write over nothing", NoSuchKeyException.class, "NoSuchKey", 404, () -> s3.putObject(
            b -> b.bucket(BUCKET).key("if-none").ifMatch(first), RequestBody.fromString("3")));
        same("the second is there", text("if"), "2");
        same("a read on a condition", s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("if").ifMatch(second)).asUtf8String(), "2");
        refused("a read of what is no more", S3Exception.class, "PreconditionFailed", 412,
            () -> s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("if").ifMatch(first)));
        same("a read of what one has", Check.status(() -> s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("if").ifNoneMatch(second))), 304);
        same("a head of what one has",
            Check.status(() -> s3.headObject(b -> b.bucket(BUCKET).key("if").ifModifiedSince(Instant.now()))), 304);
        same("a head of what has changed",
            Check.status(() -> s3.headObject(b -> b.bucket(BUCKET).key("if").ifUnmodifiedSince(Instant.EPOCH))), 412);
        refused("a deletion of what is no more", S3Exception.class, "PreconditionFailed", 412,
            () -> s3.deleteObject(b -> b.bucket(BUCKET).key("if").ifMatch(first)));
        s3.deleteObject(b -> b.bucket(BUCKET).key("if").ifMatch(second));
        refused("it is deleted", NoSuchKeyException.class, "NoSuchKey", 404, () -> text("if"));
    }

    private static void tags() {
        s3.putObject(b -> b.bucket(BUCKET).key("tagged").tagging("a=1&b=x%20y%2Bz"), RequestBody.fromString(""));
        same("tags of a header", s3.getObjectTagging(b -> b.bucket(BUCKET).key("tagged")).tagSet().toString(),
            "[Tag(Key=a, Value=1), Tag(Key=b, Value=x y+z)]");
        same("are counted", s3.headObject(b -> b.bucket(BUCKET).key("tagged")).tagCount(), 2);
        var many = IntStream.range(0, 11).mapToObj(n -> Tag.builder().key("k" + n).value("v").build()).toList();
        refused("eleven tags", S3Exception.class, "BadRequest", 400, () -> s3.putObjectTagging(
            b -> b.bucket(BUCKET).key("tagged").tagging(t -> t.tagSet(many))));
        refused("one tag twice", S3Exception.class, "InvalidTag", 400, () -> s3.putObjectTagging(
            b -> b.bucket(BUCKET).key("tagged").tagging(t -> t.tagSet(many.get(0), many.get(0)))));
        s3.putObjectTagging(b -> b.bucket(BUCKET).key("tagged").tagging(t -> t.tagSet(many.subList(0, 10))));
        same("ten are", s3.getObjectTagging(b -> b.bucket(BUCKET).key("tagged")).tagSet().size(), 10);
        s3.deleteObjectTagging(b -> b.bucket(BUCKET).key("tagged"));
        same("none is left", s3.headObject(b -> b.bucket(BUCKET).key("tagged")).tagCount(), null);
        refused("a bucket without tags", S3Exception.class, "NoSuchTagSet", 404, () -> s3.getBucketTagging(b -> b.bucket(BUCKET)));
        s3.putBucketTagging(b -> b.bucket(BUCKET).tagging(t -> t.tagSet(many.get(0))));
        same("a bucket with one", s3.getBucketTagging(b -> b.bucket(BUCKET)).tagSet(), List.of(many.get(0)));
        s3.deleteBucketTagging(b -> b.bucket(BUCKET));
    }

    private static void encryption() throws Exception {
        same("what nobody asked to encrypt", s3.headObject(b -> b.bucket(BUCKET).key("tagged")).serverSideEncryption(),
            ServerSideEncryption.AES256);
        var bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        var key = Base64.getEncoder().encodeToString(bytes);
        var sum = Base64.getEncoder().encodeToString(MessageDigest.getInstance("MD5").digest(bytes));
        refused("the customer's own key, which new buckets block", AccessDeniedException.class, "AccessDenied", 403, () -> s3.putObject(
            b -> b.bucket(BUCKET).key("mine").sseCustomerAlgorithm("AES256").sseCustomerKey(key).sseCustomerKeyMD5(sum),
            RequestBody.fromString("secret")));
        s3.putBucketEncryption(b -> b.bucket(BUCKET).serverSideEncryptionConfiguration(c -> c.rules(r -> r
            .applyServerSideEncryptionByDefault(d -> d.sseAlgorithm(ServerSideEncryption.AES256))
            .blockedEncryptionTypes(t -> t.encryptionType(EncryptionType.NONE)))));
        s3.putObject(b -> b.bucket(BUCKET).key("mine").sseCustomerAlgorithm("AES256").sseCustomerKey(key)
            .sseCustomerKeyMD5(sum), RequestBody.fromString("secret"));
        var got = s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("mine").sseCustomerAlgorithm("AES256").sseCustomerKey(key)
            .sseCustomerKeyMD5(sum));
        same("by the key of the customer", got.asUtf8String() + got.response().sseCustomerKeyMD5(), "secret" + sum);
        refused("without it", InvalidRequestException.class, "InvalidRequest", 400, () -> text("mine"));
        var other = Base64.getEncoder().encodeToString(new byte[32]);
        var otherSum = Base64.getEncoder().encodeToString(MessageDigest.getInstance("MD5").digest(new byte[32]));
        refused("by another", AccessDeniedException.class, "AccessDenied", 403, () -> s3.getObjectAsBytes(b -> b.bucket(BUCKET)
            .key("mine").sseCustomerAlgorithm("AES256").sseCustomerKey(other).sseCustomerKeyMD5(otherSum)));
        s3.copyObject(b -> b.sourceBucket(BUCKET).sourceKey("mine").copySourceSSECustomerAlgorithm("AES256")
            .copySourceSSECustomerKey(key).copySourceSSECustomerKeyMD5(sum).destinationBucket(BUCKET).destinationKey("ours"));
        same("a copy that S3 encrypts", text("ours"), "secret");
        var kms = Cloud.client(KmsClient.builder());
        var master = kms.createKey(b -> b.description("java")).keyMetadata();
        s3.putObject(b -> b.bucket(BUCKET).key("kms").serverSideEncryption(ServerSideEncryption.AWS_KMS)
            .ssekmsKeyId(master.keyId()).bucketKeyEnabled(true), RequestBody.fromString("sealed"));
        HeadObjectResponse head = s3.headObject(b -> b.bucket(BUCKET).key("kms"));
        same("by a key of KMS", List.of(head.serverSideEncryption(), head.ssekmsKeyId(), head.bucketKeyEnabled(), text("kms")),
            List.of(ServerSideEncryption.AWS_KMS, master.arn(), true, "sealed"));
        s3.putObject(b -> b.bucket(BUCKET).key("kms-2").serverSideEncryption(ServerSideEncryption.AWS_KMS)
            .ssekmsKeyId(master.arn()), RequestBody.fromString("sealed"));
        kms.disableKey(b -> b.keyId(master.keyId()));
        refused("which is disabled", S3Exception.class, "KMS.DisabledException", 400, () -> text("kms-2"));
    }

    /** Signs with keys that were issued here, which are verified. */
    private static S3Presigner presigner() {
        var keys = Cloud.user("java-signer", "s3:*");
        return S3Presigner.builder().endpointOverride(Cloud.ENDPOINT).region(Cloud.REGION).credentialsProvider(Cloud.keys(keys))
            .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build();
    }

    private static void presigned() throws Exception {
        try (var signer = presigner()) {
            var put = signer.presignPutObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                .putObjectRequest(o -> o.bucket(BUCKET).key("signed ü+").contentType("text/plain").metadata(Map.of("by", "url"))));
            var request = HttpRequest.newBuilder(put.url().toURI()).PUT(BodyPublishers.ofString("by URL"));
            put.signedHeaders().forEach((name, values) -> {
                if (!name.equalsIgnoreCase("host")) {
                    values.forEach(value -> request.header(name, value));
                }
            });
            same("a presigned PUT", Check.sent(request).status(), 200);
            var head = s3.headObject(b -> b.bucket(BUCKET).key("signed ü+"));
            same("what it put", head.contentType() + head.metadata() + text("signed ü+"), "text/plain{by=url}by URL");
            var get = signer.presignGetObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                .getObjectRequest(o -> o.bucket(BUCKET).key("signed ü+").responseContentType("a/b")));
            same("it needs no headers", get.isBrowserExecutable(), true);
            same("a presigned GET", Check.send("GET", get.url().toURI()), new Check.Answer(200, "by URL"));
            var tampered = URI.create(get.url().toString().replace("a%2Fb", "b%2Fb"));
            same("with another parameter", Check.send("GET", tampered).status(), 403);
            same("as a HEAD", Check.send("HEAD", get.url().toURI()).status(), 403);
            var late = signer.presignGetObject(p -> p.signatureDuration(Duration.ofSeconds(1))
                .getObjectRequest(o -> o.bucket(BUCKET).key("signed ü+")));
            var gone = signer.presignDeleteObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                .deleteObjectRequest(o -> o.bucket(BUCKET).key("signed ü+")));
            Thread.sleep(2100);
            same("a URL that is too late", Check.send("GET", late.url().toURI()).status(), 403);
            same("a presigned DELETE", Check.send("DELETE", gone.url().toURI()).status(), 204);
            same("a presigned GET of what is gone", Check.send("GET", get.url().toURI()).status(), 404);
        }
    }

    private static void errors() {
        refused("a missing key", NoSuchKeyException.class, "NoSuchKey", 404, () -> text("no"));
        refused("a missing key's head", NoSuchKeyException.class, "NoSuchKey", 404,
            () -> s3.headObject(b -> b.bucket(BUCKET).key("no")));
        refused("a missing bucket", NoSuchBucketException.class, "NoSuchBucket", 404,
            () -> s3.listObjectsV2(b -> b.bucket("java-none")));
        refused("a missing bucket's head", NoSuchBucketException.class, "NoSuchBucket", 404,
            () -> s3.headBucket(b -> b.bucket("java-none")));
        refused("a missing upload", NoSuchUploadException.class, "NoSuchUpload", 404,
            () -> s3.listParts(b -> b.bucket(BUCKET).key("k").uploadId("none")));
        refused("a bucket that somebody has", BucketAlreadyExistsException.class, "BucketAlreadyExists", 409, () -> Cloud
            .client(Cloud.buckets(), software.amazon.awssdk.auth.credentials.AwsBasicCredentials.create("111122223333", "x"))
            .createBucket(b -> b.bucket(BUCKET)));
        var abroad = Cloud.buckets().endpointOverride(Cloud.ENDPOINT).region(Region.EU_WEST_1)
            .credentialsProvider(Cloud.keys(Cloud.ROOT)).build();
        refused("a bucket that one has oneself", BucketAlreadyOwnedByYouException.class, "BucketAlreadyOwnedByYou", 409,
            () -> abroad.createBucket(b -> b.bucket(BUCKET).createBucketConfiguration(c -> c.locationConstraint("eu-west-1"))));
        refused("a bucket that is not empty", S3Exception.class, "BucketNotEmpty", 409,
            () -> s3.deleteBucket(b -> b.bucket(BUCKET)));
        refused("a range outside of the object", S3Exception.class, "InvalidRange", 416,
            () -> s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("ours").range("bytes=9-")));
        refused("what is not built", S3Exception.class, "NotImplemented", 501,
            () -> s3.getBucketMetadataTableConfiguration(b -> b.bucket(BUCKET)));
        refused("a policy that is none", S3Exception.class, "NoSuchBucketPolicy", 404, () -> s3.getBucketPolicy(b -> b.bucket(BUCKET)));
    }

    private static void versions() {
        var name = "java-versions";
        s3.createBucket(b -> b.bucket(name));
        s3.putBucketVersioning(b -> b.bucket(name).versioningConfiguration(v -> v.status(BucketVersioningStatus.ENABLED)));
        var ids = new ArrayList<String>();
        for (var body : List.of("1", "2")) {
            ids.add(s3.putObject(b -> b.bucket(name).key("k"), RequestBody.fromString(body)).versionId());
        }
        var marker = s3.deleteObject(b -> b.bucket(name).key("k"));
        same("a deletion leaves a marker", marker.deleteMarker(), true);
        var gone = refused("what it hides", NoSuchKeyException.class, "NoSuchKey", 404,
            () -> s3.getObjectAsBytes(b -> b.bucket(name).key("k")));
        same("is hidden by a marker", gone.awsErrorDetails().sdkHttpResponse().firstMatchingHeader("x-amz-delete-marker").get(), "true");
        refused("the marker has no body", S3Exception.class, "MethodNotAllowed", 405,
            () -> s3.getObjectAsBytes(b -> b.bucket(name).key("k").versionId(marker.versionId())));
        same("the first version",
            s3.getObjectAsBytes(b -> b.bucket(name).key("k").versionId(ids.get(0))).asUtf8String(), "1");
        var pages = s3.listObjectVersionsPaginator(b -> b.bucket(name).maxKeys(1));
        same("pages of one", pages.stream().map(p -> p.versions().size() + p.deleteMarkers().size()).toList(), List.of(1, 1, 1));
        same("its versions, newest first", pages.versions().stream().map(ObjectVersion::versionId).toList(),
            List.of(ids.get(1), ids.get(0)));
        same("its marker is the newest", pages.deleteMarkers().stream().map(DeleteMarkerEntry::isLatest).toList(), List.of(true));
        s3.deleteObject(b -> b.bucket(name).key("k").versionId(marker.versionId()));
        same("without the marker", s3.getObjectAsBytes(b -> b.bucket(name).key("k")).asUtf8String(), "2");
        s3.copyObject(b -> b.sourceBucket(name).sourceKey("k").sourceVersionId(ids.get(0)).destinationBucket(name).destinationKey("k"));
        same("a copy of the first version over it", s3.getObjectAsBytes(b -> b.bucket(name).key("k")).asUtf8String(), "1");
        refused("a version that is none", S3Exception.class, "InvalidArgument", 400,
            () -> s3.getObjectAsBytes(b -> b.bucket(name).key("k").versionId("none")));
        var all = pages.versions().stream().map(v -> ObjectIdentifier.builder().key(v.key()).versionId(v.versionId()).build()).toList();
        same("three versions", s3.deleteObjects(b -> b.bucket(name).delete(d -> d.objects(all))).deleted().size(), 3);
        s3.deleteBucket(b -> b.bucket(name));
    }

    /** A client of one region and a bucket of another one. */
    private static void regions() {
        var name = "java-abroad";
        var abroad = Cloud.buckets().endpointOverride(Cloud.ENDPOINT).region(Region.EU_WEST_1)
            .credentialsProvider(Cloud.keys(Cloud.ROOT)).build();
        abroad.createBucket(b -> b.bucket(name).createBucketConfiguration(c -> c.locationConstraint("eu-west-1")));
        refused("a bucket of a region that is not the endpoint's", S3Exception.class, "IllegalLocationConstraintException", 400,
            () -> abroad.createBucket(b -> b.bucket(name + "-2").createBucketConfiguration(c -> c.locationConstraint("us-west-2"))));
        same("where it is", s3.getBucketLocation(b -> b.bucket(name)).locationConstraintAsString(), "eu-west-1");
        var moved = refused("a bucket of another region", S3Exception.class, "AuthorizationHeaderMalformed", 400,
            () -> s3.putObject(b -> b.bucket(name).key("k"), RequestBody.fromString("far")));
        same("the region is told", moved.awsErrorDetails().sdkHttpResponse().firstMatchingHeader("x-amz-bucket-region").get(), "eu-west-1");
        var crossing = Cloud.client(Cloud.buckets().crossRegionAccessEnabled(true));
        crossing.putObject(b -> b.bucket(name).key("k"), RequestBody.fromString("far"));
        same("a client that goes where the bucket is", abroad.getObjectAsBytes(b -> b.bucket(name).key("k")).asUtf8String(), "far");
        same("its head", crossing.headBucket(b -> b.bucket(name)).bucketRegion(), "eu-west-1");
        crossing.deleteObject(b -> b.bucket(name).key("k"));
        crossing.deleteBucket(b -> b.bucket(name));
    }

    /** The bucket in the name of the host. These names lead here by the file that the JVM was told to read. */
    private static void virtualHosts() throws Exception {
        for (var host : List.of("localhost", "s3.localhost", "s3.us-east-1.localhost")) {
            var name = "java-host";
            var client = S3Client.builder().endpointOverride(Cloud.named(host)).region(Cloud.REGION)
                .credentialsProvider(Cloud.keys(Cloud.ROOT)).build();
            client.createBucket(b -> b.bucket(name));
            client.putObject(b -> b.bucket(name).key("a/k ü"), RequestBody.fromString("virtual"));
            same("a bucket in a name of " + host, s3.getObjectAsBytes(b -> b.bucket(name).key("a/k ü")).asUtf8String(), "virtual");
            same("its list", client.listObjectsV2(b -> b.bucket(name)).contents().get(0).key(), "a/k ü");
            try (var signer = S3Presigner.builder().endpointOverride(Cloud.named(host)).region(Cloud.REGION)
                .credentialsProvider(Cloud.keys(Cloud.ROOT)).build()) {
                var get = signer.presignGetObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                    .getObjectRequest(o -> o.bucket(name).key("a/k ü")));
                same("the host of its URL", get.url().getHost(), name + "." + host);
                same("a presigned GET by it", Check.send("GET", get.url().toURI()), new Check.Answer(200, "virtual"));
            }
            client.deleteObject(b -> b.bucket(name).key("a/k ü"));
            client.deleteBucket(b -> b.bucket(name));
            refused("it is gone", NoSuchBucketException.class, "NoSuchBucket", 404, () -> client.headBucket(b -> b.bucket(name)));
        }
    }
}
