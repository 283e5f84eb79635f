package undercast;

import java.util.LinkedHashMap;
import java.util.Set;

/** AWS SDK for Java as a program meets it, against the running cloud at AWS_ENDPOINT_URL. Ends at the first untrue thing. */
public final class Main {
    private interface Part {
        void run() throws Exception;
    }

    private Main() {}

    public static void main(String[] arguments) {
        var parts = new LinkedHashMap<String, Part>();
        parts.put("buckets", Buckets::run);
        parts.put("transfers", Transfers::run);
        parts.put("others", Others::run);
        parts.put("streams", Streams::run);
        parts.put("library", Library::run);
        parts.put("producing", Producing::run);
        parts.put("listeners", Listeners::run);
        try {
            for (var part : parts.entrySet()) {
                // All parts, or those that are named.
                if (arguments.length == 0 || Set.of(arguments).contains(part.getKey())) {
                    part.getValue().run();
                }
            }
        } catch (Check.Untrue untrue) {
            System.out.println("UNTRUE: " + untrue.getMessage());
            System.exit(1);
        } catch (Exception error) {
            System.out.println("UNTRUE: an error that was not expected");
            error.printStackTrace(System.out);
            System.exit(1);
        }
        System.out.println("Java: " + Check.checked + " things hold");
        // Threads of the clients may go on.
        System.exit(0);
    }
}
