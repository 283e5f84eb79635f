package undercast;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.function.Predicate;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/** What holds is said; the first untrue thing ends the program. */
final class Check {
    static int checked;

    private static final HttpClient WITHOUT_SDK = HttpClient.newHttpClient();

    /** A thing is not as AWS says. */
    static final class Untrue extends RuntimeException {
        Untrue(String what, Throwable cause) {
            super(what, cause);
        }
    }

    /** An answer to a request that no SDK made. */
    record Answer(int status, String body) {}

    private Check() {}

    static void holds(String what) {
        checked += 1;
        System.out.println("  holds: " + what);
    }

    static void same(String what, Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new Untrue(what + "\n  wanted: " + wanted + "\n  is:     " + found, null);
        }
        holds(what);
    }

    /** The call is refused by an exception of just this class, with this code and this HTTP status. */
    static <E extends AwsServiceException> E refused(
            String what, Class<E> kind, String code, int status, Callable<?> call) {
        Object given;
        try {
            given = call.call();
        } catch (Exception thrown) {
            var error = thrown instanceof CompletionException ? thrown.getCause() : thrown;
            if (error.getClass() != kind) {
                throw new Untrue(what + "\n  wanted: " + kind.getSimpleName() + "\n  is:     " + error, error);
            }
            var refusal = kind.cast(error);
            same(what + ": " + kind.getSimpleName() + ", " + code,
                refusal.awsErrorDetails().errorCode() + " " + refusal.statusCode(), code + " " + status);
            return refusal;
        }
        throw new Untrue(what + "\n  wanted: " + code + "\n  is:     " + given, null);
    }

    /** The status of an answer that says no more than that. */
    static int status(Callable<?> call) {
        try {
            call.call();
            return 200;
        } catch (Exception thrown) {
            var error = thrown instanceof CompletionException ? thrown.getCause() : thrown;
            if (error instanceof AwsServiceException refusal) {
                return refusal.statusCode();
            }
            throw new Untrue("an answer by its status", error);
        }
    }

    /** What takes its time, as on AWS: ten seconds at most. */
    static void eventually(String what, Object wanted, Callable<?> look) throws Exception {
        var end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        var found = look.call();
        while (!Objects.equals(found, wanted) && System.nanoTime() < end) {
            Thread.sleep(100);
            found = look.call();
        }
        same(what, found, wanted);
    }

    /** The same of whatever is good, for as long as it may take. */
    static <T> void until(String what, int seconds, Callable<T> look, Predicate<T> good) throws Exception {
        var end = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
        var found = look.call();
        while (!good.test(found)) {
            if (System.nanoTime() > end) {
                throw new Untrue(what + "\n  after " + seconds + " seconds it is: " + found, null);
            }
            Thread.sleep(100);
            found = look.call();
        }
        holds(what);
    }

    /** A GET, HEAD or DELETE. */
    static Answer send(String method, URI url) throws Exception {
        return sent(HttpRequest.newBuilder(url).method(method, HttpRequest.BodyPublishers.noBody()));
    }

    static Answer sent(HttpRequest.Builder request) throws Exception {
        var answer = WITHOUT_SDK.send(request.build(), BodyHandlers.ofString(UTF_8));
        return new Answer(answer.statusCode(), answer.body());
    }
}
