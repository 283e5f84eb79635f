package undercast;

import static undercast.Check.refused;
import static undercast.Check.same;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.zip.Checksum;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.ChecksumType;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.EndEvent;
import software.amazon.awssdk.services.s3.model.ExpressionType;
import software.amazon.awssdk.services.s3.model.FileHeaderInfo;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.NoSuchBucketException;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.NoSuchUploadException;
import software.amazon.awssdk.services.s3.model.Part;
import software.amazon.awssdk.services.s3.model.RecordsEvent;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.SelectObjectContentResponseHandler;
import software.amazon.awssdk.services.s3.model.StatsEvent;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** S3 in parts: by the transfer manager, over the SDK's own client and over that of the Common Runtime; and by hand. */
final class Transfers {
    private static final String BUCKET = "java-transfers";
    private static final int MIB = 1 << 20;
    private static final S3Client s3 = Cloud.client(Cloud.buckets());

    private Transfers() {}

    static void run() throws Exception {
        s3.createBucket(b -> b.bucket(BUCKET));
        var folder = Files.createTempDirectory("java-transfers");
        try (var own = Cloud.client(S3AsyncClient.builder().forcePathStyle(true).multipartEnabled(true)
                .multipartConfiguration(c -> c.minimumPartSizeInBytes(5L * MIB).thresholdInBytes(5L * MIB)));
            var runtime = S3AsyncClient.crtBuilder().endpointOverride(Cloud.ENDPOINT).region(Cloud.REGION)
                .credentialsProvider(Cloud.keys(Cloud.ROOT)).forcePathStyle(true).minimumPartSizeInBytes(5L * MIB)
                .thresholdInBytes(5L * MIB).targetThroughputInGbps(1.0).build()) {
            for (var client : List.of(own, runtime)) {
                managed(client == own ? "the SDK's own client" : "the Common Runtime", client, folder);
            }
            streamed(own);
            selected(own);
        } finally {
            removed(folder);
        }
        byHand();
        Buckets.emptied(s3, BUCKET);
        same("no upload is left", s3.listMultipartUploads(b -> b.bucket(BUCKET)).uploads(), List.of());
        s3.deleteBucket(b -> b.bucket(BUCKET));
    }

    private static byte[] random(int length) {
        var bytes = new byte[length];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }

    /** A sum as S3 tells it. */
    private static String sum(Checksum of, int width, byte[] bytes) {
        of.update(bytes, 0, bytes.length);
        var value = new byte[width];
        for (var n = 0; n < width; n++) {
            value[n] = (byte) (of.getValue() >>> (8 * (width - 1 - n)));
        }
        return Base64.getEncoder().encodeToString(value);
    }

    /** CRC-64/NVME, bit by bit. */
    private static final class Crc64 implements Checksum {
        private long value = -1;

        @Override
        public void update(int b) {
            value ^= b & 0xff;
            for (var bit = 0; bit < 8; bit++) {
                value = (value >>> 1) ^ ((value & 1) == 1 ? 0x9a6c9329ac4bc9b5L : 0);
            }
        }

        @Override
        public void update(byte[] bytes, int from, int length) {
            for (var n = from; n < from + length; n++) {
                update(bytes[n]);
            }
        }

        @Override
        public long getValue() {
            return ~value;
        }

        @Override
        public void reset() {
            value = -1;
        }
    }

    private static HeadObjectResponse head(String key) {
        return s3.headObject(b -> b.bucket(BUCKET).key(key).checksumMode(ChecksumMode.ENABLED));
    }

    private static void managed(String name, S3AsyncClient client, Path folder) throws Exception {
        var bytes = random(5 * MIB + 5);
        var file = folder.resolve("up");
        Files.write(file, bytes);
        var manager = S3TransferManager.builder().s3Client(client).build();
        manager.uploadFile(u -> u.source(file).putObjectRequest(p -> p.bucket(BUCKET).key("up").metadata(Map.of("by", "parts"))))
            .completionFuture().join();
        var up = head("up");
        same(name + ": 5 MiB and 5 bytes in two parts", up.contentLength() + " " + up.metadata() + " " + up.eTag().replaceAll("[0-9a-f]{32}", "…"),
            bytes.length + " {by=parts} \"…-2\"");
        same("with a checksum, by its default", up.checksumCRC32() != null && up.checksumCRC32().matches(".{8}(-2)?"), true);
        manager.uploadFile(u -> u.source(file).putObjectRequest(p -> p.bucket(BUCKET).key("full")
            .checksumAlgorithm(ChecksumAlgorithm.CRC64_NVME))).completionFuture().join();
        var full = head("full");
        same("by CRC64NVME, of the whole", full.checksumCRC64NVME() + " " + full.checksumType(),
            sum(new Crc64(), 8, bytes) + " " + ChecksumType.FULL_OBJECT);
        var down = folder.resolve("down");
        var answer = manager.downloadFile(d -> d.destination(down).getObjectRequest(g -> g.bucket(BUCKET).key("up")
            .checksumMode(ChecksumMode.ENABLED))).completionFuture().join().response();
        same("down again", Arrays.equals(Files.readAllBytes(down), bytes) + " " + answer.metadata(), "true {by=parts}");
        manager.copy(c -> c.copyObjectRequest(o -> o.sourceBucket(BUCKET).sourceKey("up").destinationBucket(BUCKET)
            .destinationKey("copy +ü"))).completionFuture().join();
        same("a copy, in parts", Arrays.equals(s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("copy +ü")).asByteArray(), bytes), true);
        same("has the metadata", head("copy +ü").metadata(), Map.of("by", "parts"));
        folders(manager, folder);
        // The Common Runtime asks for the head first, whose refusal has no body that would say more than the status.
        same("a download of what is not there", Check.status(() -> manager.downloadFile(d -> d.destination(down)
            .getObjectRequest(g -> g.bucket(BUCKET).key("no"))).completionFuture().join()), 404);
        refused("an upload into no bucket", NoSuchBucketException.class, "NoSuchBucket", 404,
            () -> manager.uploadFile(u -> u.source(file).putObjectRequest(p -> p.bucket("java-none").key("k"))).completionFuture().join());
        manager.close();
        Buckets.emptied(s3, BUCKET);
    }

    private static void folders(S3TransferManager manager, Path folder) throws Exception {
        var tree = folder.resolve("tree");
        for (var name : List.of("a.txt", "deep/b c.txt", "deep/er/ü+.txt")) {
            Files.createDirectories(tree.resolve(name).getParent());
            Files.writeString(tree.resolve(name), name);
        }
        var sent = manager.uploadDirectory(u -> u.source(tree).bucket(BUCKET).s3Prefix("tree")).completionFuture().join();
        same("a folder up", sent.failedTransfers(), List.of());
        var back = folder.resolve("back");
        var got = manager.downloadDirectory(d -> d.destination(back).bucket(BUCKET).listObjectsV2RequestTransformer(l -> l.prefix("tree/")))
            .completionFuture().join();
        same("and down", got.failedTransfers() + Files.readString(back.resolve("deep/er/ü+.txt")), "[]deep/er/ü+.txt");
        removed(back);
        removed(tree);
    }

    /** A stream of a length that nobody says, which comes in parts as it is made. */
    private static void streamed(S3AsyncClient client) throws Exception {
        var bytes = random(6 * MIB);
        var body = AsyncRequestBody.forBlockingOutputStream(null);
        var put = client.putObject(b -> b.bucket(BUCKET).key("made"), body);
        try (var out = body.outputStream()) {
            for (var n = 0; n < bytes.length; n += MIB) {
                out.write(bytes, n, MIB);
            }
        }
        put.join();
        var got = client.getObject(b -> b.bucket(BUCKET).key("made"), AsyncResponseTransformer.toBytes()).join();
        same("a stream of unknown length, in parts", Arrays.equals(got.asByteArray(), bytes), true);
        // What ends before its time is no object.
        var cut = AsyncRequestBody.forBlockingOutputStream(4L * MIB);
        var failed = client.putObject(b -> b.bucket(BUCKET).key("cut"), cut);
        var out = cut.outputStream();
        out.write(bytes, 0, MIB);
        out.cancel();
        same("a stream that breaks off", failed.handle((answer, error) -> error != null).join(), true);
        refused("leaves nothing", NoSuchKeyException.class, "NoSuchKey", 404,
            () -> s3.headObject(b -> b.bucket(BUCKET).key("cut")));
        Check.eventually("nor an upload", List.of(), () -> s3.listMultipartUploads(b -> b.bucket(BUCKET)).uploads());
    }

    private static void selected(S3AsyncClient client) {
        s3.putObject(b -> b.bucket(BUCKET).key("people.csv"),
            RequestBody.fromString("id,name\n1,Ann\n2,Bob\n"));
        var said = new StringBuilder();
        var handler = SelectObjectContentResponseHandler.builder().subscriber(event -> {
            if (event instanceof RecordsEvent records) {
                said.append(records.payload().asUtf8String());
            } else if (event instanceof StatsEvent stats) {
                said.append(stats.details().bytesScanned()).append(' ').append(stats.details().bytesReturned());
            } else if (event instanceof EndEvent) {
                said.append(" end");
            }
        }).build();
        client.selectObjectContent(b -> b.bucket(BUCKET).key("people.csv").expressionType(ExpressionType.SQL)
            .expression("SELECT s.name FROM S3Object s WHERE s.id = 2")
            .inputSerialization(i -> i.csv(c -> c.fileHeaderInfo(FileHeaderInfo.USE)))
            .outputSerialization(o -> o.json(j -> {})), handler).join();
        same("records by selectObjectContent", said.toString(), "{\"name\":\"Bob\"}\n20 15 end");
    }

    private static void byHand() {
        var parts = List.of(random(5 * MIB), random(7));
        var made = s3.createMultipartUpload(b -> b.bucket(BUCKET).key("hand").checksumAlgorithm(ChecksumAlgorithm.SHA256));
        var done = new ArrayList<CompletedPart>();
        for (var n = 1; n <= 2; n++) {
            var number = n;
            var answer = s3.uploadPart(b -> b.bucket(BUCKET).key("hand").uploadId(made.uploadId()).partNumber(number)
                .checksumAlgorithm(ChecksumAlgorithm.SHA256), RequestBody.fromBytes(parts.get(n - 1)));
            done.add(CompletedPart.builder().partNumber(n).eTag(answer.eTag()).checksumSHA256(answer.checksumSHA256()).build());
        }
        var listed = s3.listPartsPaginator(b -> b.bucket(BUCKET).key("hand").uploadId(made.uploadId()).maxParts(1)).parts();
        same("its parts", listed.stream().map(Part::size).toList(), List.of(5L * MIB, 7L));
        same("the upload is listed", s3.listMultipartUploadsPaginator(b -> b.bucket(BUCKET)).uploads().stream()
            .map(u -> u.key() + u.checksumAlgorithm()).toList(), List.of("handSHA256"));
        refused("parts out of order", S3Exception.class, "InvalidPartOrder", 400, () -> s3.completeMultipartUpload(b -> b.bucket(BUCKET)
            .key("hand").uploadId(made.uploadId()).multipartUpload(m -> m.parts(done.get(1), done.get(0)))));
        refused("a part that is not there", S3Exception.class, "InvalidPart", 400, () -> s3.completeMultipartUpload(b -> b.bucket(BUCKET)
            .key("hand").uploadId(made.uploadId()).multipartUpload(m -> m.parts(done.get(0).toBuilder().partNumber(9).build()))));
        refused("a small part that is not the last", S3Exception.class, "EntityTooSmall", 400, () -> {
            var small = s3.uploadPart(b -> b.bucket(BUCKET).key("hand").uploadId(made.uploadId()).partNumber(4)
                .checksumAlgorithm(ChecksumAlgorithm.SHA256), RequestBody.fromBytes(parts.get(1)));
            var last = CompletedPart.builder().partNumber(4).eTag(small.eTag()).checksumSHA256(small.checksumSHA256()).build();
            return s3.completeMultipartUpload(b -> b.bucket(BUCKET).key("hand").uploadId(made.uploadId())
                .multipartUpload(m -> m.parts(done.get(0), done.get(1), last)));
        });
        var whole = s3.completeMultipartUpload(b -> b.bucket(BUCKET).key("hand").uploadId(made.uploadId())
            .multipartUpload(m -> m.parts(done)));
        same("a sum of sums", whole.checksumSHA256().endsWith("-2") + " " + whole.checksumType(), "true COMPOSITE");
        var second = s3.getObjectAsBytes(b -> b.bucket(BUCKET).key("hand").partNumber(2).checksumMode(ChecksumMode.ENABLED));
        same("the second part of it", Arrays.equals(second.asByteArray(), parts.get(1)) + " " + second.response().partsCount(), "true 2");
        var attributes = s3.getObjectAttributes(b -> b.bucket(BUCKET).key("hand").objectAttributesWithStrings("ObjectParts", "Checksum"));
        same("its parts are kept", attributes.objectParts().parts().stream().map(p -> p.checksumSHA256()).toList(),
            done.stream().map(CompletedPart::checksumSHA256).toList());
        var left = s3.createMultipartUpload(b -> b.bucket(BUCKET).key("left")).uploadId();
        s3.uploadPartCopy(b -> b.sourceBucket(BUCKET).sourceKey("hand").copySourceRange("bytes=0-9").destinationBucket(BUCKET)
            .destinationKey("left").uploadId(left).partNumber(1));
        s3.abortMultipartUpload(b -> b.bucket(BUCKET).key("left").uploadId(left));
        refused("an upload that was aborted", NoSuchUploadException.class, "NoSuchUpload", 404,
            () -> s3.listParts(b -> b.bucket(BUCKET).key("left").uploadId(left)));
    }

    private static void removed(Path folder) throws IOException {
        try (var all = Files.walk(folder)) {
            for (var path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
