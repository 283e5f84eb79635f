package undercast;

import static java.nio.charset.StandardCharsets.UTF_8;
import static undercast.Check.eventually;
import static undercast.Check.same;

import com.google.common.util.concurrent.ListenableFuture;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.cloudwatch.CloudWatchClient;
import software.amazon.awssdk.services.cloudwatch.model.Dimension;
import software.amazon.awssdk.services.cloudwatch.model.Statistic;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** The Kinesis Producer Library: a program of AWS's in C++ beside this one, which speaks to TLS only and puts many records into one. */
final class Producing {
    private static final String STREAM = "java-producer";
    private static final int RECORDS = 500;
    private static final KinesisClient kinesis = Cloud.client(KinesisClient.builder());

    private Producing() {}

    static void run() throws Exception {
        kinesis.createStream(s -> s.streamName(STREAM).shardCount(2));
        kinesis.waiter().waitUntilStreamExists(s -> s.streamName(STREAM));
        var results = produce();
        same("all records are taken", results.stream().allMatch(UserRecordResult::isSuccessful), true);
        same("at once", results.stream().allMatch(result -> result.getAttempts().size() == 1), true);
        same("by both shards", results.stream().map(UserRecordResult::getShardId).collect(Collectors.toSet()),
            new HashSet<>(List.of("shardId-000000000000", "shardId-000000000001")));
        var stored = stored();
        same("many are in one: " + RECORDS + " in " + stored.size(), stored.size() < RECORDS / 10, true);
        var numbers = results.stream().map(UserRecordResult::getSequenceNumber).collect(Collectors.toCollection(TreeSet::new));
        same("the numbers of what is stored are those that were answered",
            stored.stream().map(KinesisClientRecord::sequenceNumber).collect(Collectors.toCollection(TreeSet::new)), numbers);
        var apart = new TreeMap<String, String>();
        new AggregatorUtil().deaggregate(stored).forEach(
            record -> apart.put(record.partitionKey(), UTF_8.decode(record.data()).toString()));
        var wanted = new TreeMap<String, String>();
        for (int n = 0; n < RECORDS; n++) {
            wanted.put("key-" + n, "record " + n);
        }
        same("taken apart they are what was put", apart, wanted);
        var cloudwatch = Cloud.client(CloudWatchClient.builder());
        eventually("what it measured is in CloudWatch", (double) RECORDS, () -> put(cloudwatch));
        kinesis.deleteStream(s -> s.streamName(STREAM));
    }

    private static List<UserRecordResult> produce() throws Exception {
        int port = Cloud.ENDPOINT.getPort();
        var settings = new KinesisProducerConfiguration()
            .setRegion(Cloud.REGION.id())
            .setCredentialsProvider(Cloud.keys(Cloud.ROOT))
            .setKinesisEndpoint("localhost").setKinesisPort(port)
            .setCloudwatchEndpoint("localhost").setCloudwatchPort(port)
            .setStsEndpoint("localhost").setStsPort(port)
            // The certificate is one of the cloud's own.
            .setVerifyCertificate(false)
            .setMetricsUploadDelay(1000)
            .setRecordMaxBufferedTime(200);
        var producer = new KinesisProducer(settings);
        try {
            var results = new ArrayList<UserRecordResult>();
            // Until it knows the shards it puts each record by itself.
            results.add(add(producer, 0).get(30, TimeUnit.SECONDS));
            var futures = IntStream.range(1, RECORDS).mapToObj(n -> add(producer, n)).toList();
            for (var future : futures) {
                results.add(future.get(30, TimeUnit.SECONDS));
            }
            // It has to tell what it measured.
            Thread.sleep(2500);
            return results;
        } finally {
            producer.flushSync();
            producer.destroy();
        }
    }

    private static ListenableFuture<UserRecordResult> add(KinesisProducer producer, int n) {
        return producer.addUserRecord(STREAM, "key-" + n, ByteBuffer.wrap(("record " + n).getBytes(UTF_8)));
    }

    /** The records of the stream, as they are stored. */
    private static List<KinesisClientRecord> stored() {
        var all = new ArrayList<KinesisClientRecord>();
        for (var shard : kinesis.listShards(s -> s.streamName(STREAM)).shards()) {
            var iterator = kinesis.getShardIterator(i -> i.streamName(STREAM).shardId(shard.shardId()).shardIteratorType(ShardIteratorType.TRIM_HORIZON));
            kinesis.getRecords(g -> g.shardIterator(iterator.shardIterator())).records().stream()
                .map(KinesisClientRecord::fromRecord).forEach(all::add);
        }
        return all;
    }

    /** How many records it says that it has put. */
    private static double put(CloudWatchClient cloudwatch) {
        var now = Instant.now();
        var found = cloudwatch.getMetricStatistics(m -> m.namespace("KinesisProducerLibrary").metricName("UserRecordsPut")
            .dimensions(Dimension.builder().name("StreamName").value(STREAM).build())
            .startTime(now.minusSeconds(600)).endTime(now.plusSeconds(60)).period(3600).statistics(Statistic.SUM));
        return found.datapoints().stream().mapToDouble(point -> point.sum()).sum();
    }
}
