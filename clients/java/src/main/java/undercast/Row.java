package undercast;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.enhanced.dynamodb.extensions.annotations.DynamoDbVersionAttribute;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbBean;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbPartitionKey;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbSecondaryPartitionKey;
import software.amazon.awssdk.enhanced.dynamodb.mapper.annotations.DynamoDbSortKey;

/** A row, as the mapper of DynamoDB's enhanced client sees it. */
@DynamoDbBean
public class Row {
    private String who;
    private int at;
    private String colour;
    private Instant made;
    private List<String> words;
    private Map<String, Integer> counts;
    private Long version;

    @DynamoDbPartitionKey
    public String getWho() {
        return who;
    }

    public void setWho(String value) {
        who = value;
    }

    @DynamoDbSortKey
    public int getAt() {
        return at;
    }

    public void setAt(int value) {
        at = value;
    }

    @DynamoDbSecondaryPartitionKey(indexNames = "colours")
    public String getColour() {
        return colour;
    }

    public void setColour(String value) {
        colour = value;
    }

    public Instant getMade() {
        return made;
    }

    public void setMade(Instant value) {
        made = value;
    }

    public List<String> getWords() {
        return words;
    }

    public void setWords(List<String> value) {
        words = value;
    }

    public Map<String, Integer> getCounts() {
        return counts;
    }

    public void setCounts(Map<String, Integer> value) {
        counts = value;
    }

    /** Counted by the mapper, which writes on the condition that nobody else did. */
    @DynamoDbVersionAttribute
    public Long getVersion() {
        return version;
    }

    public void setVersion(Long value) {
        version = value;
    }

    static Row of(String who, int at, String colour) {
        var row = new Row();
        row.who = who;
        row.at = at;
        row.colour = colour;
        row.made = Instant.ofEpochSecond(1_700_000_000, 5);
        row.words = List.of("x", "ü");
        row.counts = Map.of("a", 1, "b", -2);
        return row;
    }

    @Override
    public String toString() {
        return who + "/" + at + " " + colour + " " + made + " " + words + " " + new java.util.TreeMap<>(counts) + " v" + version;
    }
}
