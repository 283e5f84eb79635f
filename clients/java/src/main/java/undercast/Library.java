package undercast;

import static undercast.Check.same;
import static undercast.Check.until;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ScalingType;

/** The Kinesis Client Library: workers share the shards of a stream, one dies, the other goes on, and no record is lost. */
final class Library {
    private static final KinesisClient kinesis = Cloud.client(KinesisClient.builder());
    private static final int KEYS = 12;

    private Library() {}

    /** A line that a worker said: who, what, of which shard, and more. */
    private record Said(String worker, String what, String shard, String more) {}

    private static final List<Said> said = Collections.synchronizedList(new ArrayList<>());
    private static final List<Process> workers = new ArrayList<>();
    private static int written = 0;

    static void run() throws Exception {
        try {
            shared("kcl-pushed", "pushed");
            said.clear();
            alone("kcl-polling");
        } finally {
            workers.forEach(Process::destroyForcibly);
        }
    }

    private static Process worker(String stream, String name, String how) throws Exception {
        var java = System.getProperty("java.home") + "/bin/java";
        var process = new ProcessBuilder(java, "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", System.getProperty("java.class.path"),
            "-Djdk.net.hosts.file=" + System.getProperty("jdk.net.hosts.file", ""), "undercast.Worker", stream, stream + "-app", name, how)
            .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        workers.add(process);
        var reader = new Thread(() -> {
            try (var lines = new BufferedReader(new InputStreamReader(process.getInputStream()))) {
                for (var line = lines.readLine(); line != null; line = lines.readLine()) {
                    var parts = line.split(" ", 4);
                    if (parts.length == 4) {
                        said.add(new Said(parts[0], parts[1], parts[2], parts[3]));
                    }
                }
            } catch (java.io.IOException gone) {
                // It was killed.
            }
        });
        reader.setDaemon(true);
        reader.start();
        return process;
    }

    /** Writes so many records, numbered by key. */
    private static void write(String stream, int count) {
        for (int n = 0; n < count; n++, written++) {
            var key = "key-" + written % KEYS;
            var text = key + ":" + written / KEYS;
            kinesis.putRecord(p -> p.streamName(stream).partitionKey(key).data(SdkBytes.fromUtf8String(text)));
        }
    }

    private static List<Said> of(String what) {
        synchronized (said) {
            return said.stream().filter(line -> line.what().equals(what)).toList();
        }
    }

    private static TreeSet<String> seen() {
        var all = new TreeSet<String>();
        of("record").forEach(line -> all.add(line.more()));
        return all;
    }

    private static TreeSet<String> expected() {
        var all = new TreeSet<String>();
        for (int n = 0; n < written; n++) {
            all.add("key-" + n % KEYS + ":" + n / KEYS);
        }
        return all;
    }

    /** In each worker's eyes the records of a key come in their order, from wherever it begins. */
    private static void inOrder() {
        Map<String, Integer> last = new HashMap<>();
        for (var line : of("record")) {
            var parts = line.more().split(":");
            var place = line.worker() + " " + line.shard() + " " + parts[0];
            int number = Integer.parseInt(parts[1]);
            Integer before = last.put(place, number);
            if (before != null && number != before + 1) {
                same("the order of " + place, number, before + 1);
            }
        }
    }

    /** Writes on, and says how many workers have processed anything. */
    private static int more(String stream) {
        write(stream, KEYS);
        return holders().size();
    }

    private static TreeSet<String> holders() {
        var all = new TreeSet<String>();
        of("record").forEach(line -> all.add(line.worker()));
        return all;
    }

    private static void shared(String stream, String how) throws Exception {
        written = 0;
        kinesis.createStream(s -> s.streamName(stream).shardCount(4));
        kinesis.waiter().waitUntilStreamExists(s -> s.streamName(stream));
        var one = worker(stream, "one", how);
        worker(stream, "two", how);
        write(stream, 60);
        until("all records are processed", 120, Library::seen, all -> all.equals(expected()));
        until("both workers have shards", 120, () -> more(stream), size -> size == 2);
        until("what was written meanwhile is processed", 120, Library::seen, all -> all.equals(expected()));
        one.destroyForcibly().waitFor();
        write(stream, 60);
        kinesis.updateShardCount(u -> u.streamName(stream).targetShardCount(6).scalingType(ScalingType.UNIFORM_SCALING));
        write(stream, 60);
        until("the other worker goes on with all shards and their children", 240, Library::seen, all -> all.equals(expected()));
        same("shards have ended", of("ends").isEmpty(), false);
        inOrder();
    }

    private static void alone(String stream) throws Exception {
        written = 0;
        kinesis.createStream(s -> s.streamName(stream).shardCount(2));
        kinesis.waiter().waitUntilStreamExists(s -> s.streamName(stream));
        write(stream, 60);
        worker(stream, "three", "polling");
        until("a worker that polls gets all records", 60, Library::seen, all -> all.equals(expected()));
        inOrder();
    }
}
